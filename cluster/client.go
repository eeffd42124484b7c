package cluster

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// peerClient speaks to other masters: HTTP/2 for the cluster's own calls, the relay for what clients ask.
type peerClient struct {
	byID   *http.Transport // the URL's host is what hostOf makes of a server id
	byAddr *http.Transport // the URL's host is an address; whoever answers names itself
	name   func() string   // the cluster that our certificate names, "" before there is one
	relays *relays         // for what clients ask
}

const (
	maxPeerReply = 1 << 20
	helloTimeout = 2 * time.Second
)

func newPeerClient(p *port) *peerClient {
	return &peerClient{
		relays: newRelays(func(ctx context.Context, id string) (net.Conn, error) { return p.dialServer(ctx, id, protoRelay) }),
		byID: peerTransport(func(ctx context.Context, _, addr string) (net.Conn, error) {
			id, _, _ := strings.Cut(strings.TrimSuffix(addr, ":443"), ".")
			return p.dialServer(ctx, id, protoHTTP)
		}),
		byAddr: peerTransport(func(ctx context.Context, _, addr string) (net.Conn, error) {
			conn, _, err := p.dialAddr(ctx, "", addr, protoHTTP)
			if err != nil {
				return nil, err
			}
			return conn, nil
		}),
		name: func() string {
			if name := p.name.Load(); name != nil {
				return name.cluster
			}
			return ""
		},
	}
}

// hostOf is the host under which the transport keeps its connection to a server. It changes when our certificate does:
// the other end knows us by the certificate that a connection was made with, and one from before we belonged to the
// cluster would be refused for as long as it lives.
func (c *peerClient) hostOf(id string) string {
	if cluster := c.name(); cluster != "" {
		return id + "." + cluster
	}
	return id
}

// peerTransport keeps one HTTP/2 connection per server and pings it, so that a peer that hangs is noticed.
func peerTransport(dial func(ctx context.Context, network, addr string) (net.Conn, error)) *http.Transport {
	t := &http.Transport{
		DialTLSContext: dial, DisableCompression: true, IdleConnTimeout: 5 * time.Minute,
		Protocols: new(http.Protocols),
		HTTP2:     &http.HTTP2Config{SendPingTimeout: 2 * time.Second, PingTimeout: 2 * time.Second, WriteByteTimeout: 5 * time.Second},
	}
	t.Protocols.SetHTTP2(true)
	return t
}

func (c *peerClient) close() {
	c.byID.CloseIdleConnections()
	c.byAddr.CloseIdleConnections()
	c.relays.close()
}

// call posts a JSON value to a server and decodes the JSON answer into reply. A status other than 200 is a
// *peerError.
func (c *peerClient) call(ctx context.Context, t *http.Transport, host, path string, body, reply any) (peer string, err error) {
	b, err := json.Marshal(body)
	if err != nil {
		return "", fmt.Errorf("encode call: %w", err)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://"+host+path, bytes.NewReader(b))
	if err != nil {
		return "", err
	}
	resp, err := t.RoundTrip(r)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	b, err = io.ReadAll(io.LimitReader(resp.Body, maxPeerReply))
	if err != nil {
		return "", fmt.Errorf("read answer: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		return "", &peerError{status: resp.StatusCode, reason: strings.TrimSpace(string(b))}
	}
	if err := json.Unmarshal(b, reply); err != nil {
		return "", fmt.Errorf("decode answer: %w", err)
	}
	name, err := parseName(resp.TLS.PeerCertificates[0].URIs)
	return name.server, err
}

// peerError is a refusal by another master.
type peerError struct {
	status int
	reason string
}

func (e *peerError) Error() string { return fmt.Sprintf("status %d: %s", e.status, e.reason) }
