package gossip

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"time"

	"github.com/hashicorp/memberlist"
)

// Ping asks whether a master answers gossip over UDP at an address, and how long that takes. name is its server id; keys
// are as in Config. It joins nothing: the other end does not take note of who asked.
func Ping(ctx context.Context, keys [][]byte, name, addr string) (time.Duration, error) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return 0, errors.New("ping over gossip needs a deadline")
	}
	to, err := net.ResolveUDPAddr("udp", addr)
	if err != nil {
		return 0, fmt.Errorf("ping over gossip: %w", err)
	}
	list, err := pinger(keys, to, time.Until(deadline))
	if err != nil {
		return 0, fmt.Errorf("ping over gossip: %w", err)
	}
	defer list.Shutdown()
	took, err := list.Ping(name, to)
	if err != nil {
		return 0, fmt.Errorf("no answer over UDP: %w", err)
	}
	return took, nil
}

// pinger is a memberlist of one, on a port of its own at the address from which the other end is reached.
func pinger(keys [][]byte, to *net.UDPAddr, patience time.Duration) (*memberlist.Memberlist, error) {
	ring, err := memberlist.NewKeyring(keys, keys[0])
	if err != nil {
		return nil, err
	}
	route, err := net.DialUDP("udp", nil, to) // sends nothing; the kernel chooses the address
	if err != nil {
		return nil, err
	}
	from := route.LocalAddr().(*net.UDPAddr).IP.String()
	route.Close()
	c := memberlist.DefaultLANConfig()
	c.Name, c.Label, c.Keyring = fmt.Sprintf("ping-%d", time.Now().UnixNano()), label, ring
	c.GossipVerifyIncoming, c.GossipVerifyOutgoing, c.EnableCompression = true, true, false
	c.BindAddr, c.AdvertiseAddr, c.BindPort, c.AdvertisePort = from, from, 0, 0
	c.UDPBufferSize = 1 // leaves a ping no room to carry the news of this member
	c.ProbeTimeout = patience
	c.Logger = log.New(io.Discard, "", 0)
	return memberlist.Create(c)
}

// Knock connects to the gossip port of a master over TCP and hangs up, in a way that is not worth a line in its log.
func Knock(ctx context.Context, addr string) error {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	return errors.Join(memberlist.AddLabelHeaderToStream(conn, label), conn.Close())
}
