package ldap

import (
	"bytes"
	"errors"
	"io"
	"net"
	"strings"
	"testing"

	ber "github.com/go-asn1-ber/asn1-ber"
	"github.com/go-ldap/ldap/v3"
)

// recorded is a connection on which something was received.
type recorded struct {
	net.Conn
	io.Reader
}

func (r recorded) Read(p []byte) (int, error) { return r.Reader.Read(p) }

// nested is an element of n levels.
func nested(n int) *ber.Packet {
	p := octets("x")
	for range n - 1 {
		outer := ber.NewSequence("")
		outer.AppendChild(p)
		p = outer
	}
	return p
}

// flat is a message with n small elements.
func flat(n int) *ber.Packet {
	p := ber.NewSequence("")
	small := octets("").Bytes()
	p.Data.Write(bytes.Repeat(small, n))
	return p
}

func controls(size int) *ber.Packet {
	p := message(1, result(ldap.ApplicationBindResponse, 0, ""))
	c := ber.Encode(ber.ClassContext, ber.TypeConstructed, 0, nil, "")
	c.AppendChild(octets(strings.Repeat("x", size)))
	p.AppendChild(c)
	return p
}

func TestOnlyMeasuredMessagesPass(t *testing.T) {
	good := message(1, entryPacket(person("alice"))).Bytes()
	for name, c := range map[string]struct {
		in   []byte
		want error
	}{
		"an entry":              {good, nil},
		"two messages":          {append(bytes.Clone(good), good...), nil},
		"long form of a length": {[]byte("\x30\x84\x00\x00\x00\x03\x02\x01\x01"), nil},
		"a small control":       {controls(100).Bytes(), nil},
		"nothing in it":         {[]byte("\x30\x00"), nil},
		"1 GiB announced":       {[]byte("\x30\x84\x40\x00\x00\x00\x02\x01\x01"), errTooMuch},
		"more than allowed":     {message(1, octets(strings.Repeat("x", smallAnswer.bytes))).Bytes(), errTooMuch},
		"10 messages too many":  {bytes.Repeat(message(1, octets(strings.Repeat("x", smallAnswer.bytes/10))).Bytes(), 10), errTooMuch},
		"many small elements":   {flat(smallAnswer.elements).Bytes(), errTooMuch},
		"a large control":       {controls(maxControls).Bytes(), errTooMuch},
		"deep":                  {nested(maxDepth + 2).Bytes(), errTooDeep},
		"very deep":             {nested(5000).Bytes(), errTooDeep},
		"indefinite length":     {[]byte("\x30\x80\x02\x01\x01\x00\x00"), errMalformed},
		"indefinite below":      {[]byte("\x30\x04\x30\x80\x00\x00"), errMalformed},
		"length of 5 bytes":     {[]byte("\x30\x85\x00\x00\x00\x00\x01\x00"), errMalformed},
		"not a sequence":        {[]byte("HTTP/1.1 400 Bad Request\r\n"), errMalformed},
		"child beyond parent":   {[]byte("\x30\x04\x30\x03\x02\x01"), errMalformed},
		"header beyond parent":  {[]byte("\x30\x05\x30\x01\x02\x01\x01"), errMalformed},
		"high tag":              {[]byte("\x30\x04\x1f\x81\x01\x00"), errMalformed},
		"cut off":               {good[:len(good)-1], io.ErrUnexpectedEOF},
		"cut off in the head":   {[]byte("\x30\x84\x00"), io.EOF},
	} {
		g := newGuard(recorded{Reader: bytes.NewReader(c.in)})
		out, err := io.ReadAll(g)
		if c.want == nil && (err != nil || !bytes.Equal(out, c.in)) {
			t.Errorf("%s: %v, %d of %d bytes passed", name, err, len(out), len(c.in))
		}
		if c.want != nil && c.want != io.EOF && !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
		if !errors.Is(g.cause(), c.want) && c.want != nil {
			t.Errorf("%s: the cause is %v, want %v", name, g.cause(), c.want)
		}
	}
}

func TestEveryOperationHasAnAllowanceOfItsOwn(t *testing.T) {
	one := message(1, octets(strings.Repeat("x", smallAnswer.bytes/2))).Bytes()
	g := newGuard(recorded{Reader: bytes.NewReader(bytes.Repeat(one, 5))})
	for range 5 {
		g.allow(smallAnswer)
		if _, err := io.ReadFull(g, make([]byte, len(one))); err != nil {
			t.Fatal(err)
		}
	}
}

// FuzzGuard: what passes is what was sent, is as small as was allowed, and the parser behind gets along with it.
func FuzzGuard(f *testing.F) {
	for _, p := range []*ber.Packet{message(1, entryPacket(person("alice"))), message(2, result(ldap.ApplicationBindResponse, 49, "no")), nested(14), controls(10)} {
		f.Add(p.Bytes())
	}
	f.Add([]byte("\x30\x84\x40\x00\x00\x00\x02\x01\x01"))
	f.Add([]byte("\x30\x80\x00\x00"))
	f.Fuzz(func(t *testing.T, in []byte) {
		g := newGuard(recorded{Reader: bytes.NewReader(in)})
		g.allow(allowance{bytes: 4096, elements: 200})
		out, _ := io.ReadAll(g)
		if !bytes.HasPrefix(in, out) || len(out) > 4096 {
			t.Fatalf("%d bytes passed, %q of %q", len(out), out, in)
		}
		for r := bytes.NewReader(out); r.Len() > 0; {
			packet, err := ber.ReadPacket(r)
			if err != nil {
				return // values may be wrong in themselves, such as a time
			}
			if depth(packet) > maxDepth+1 {
				t.Fatalf("%d levels passed", depth(packet))
			}
		}
	})
}

func depth(p *ber.Packet) int {
	deepest := 0
	for _, child := range p.Children {
		deepest = max(deepest, depth(child))
	}
	return deepest + 1
}
