package cluster

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestAddressesAreTriedNewestSourceFirst(t *testing.T) {
	b := newBook(map[string]string{"a": "file:1", "b": "file:2"})
	b.learn("a", "hello:1", fromHello)
	b.learn("a", "gossip:1", fromGossip)
	b.learn("b", "file:2", fromHello)
	if got, want := b.find("a"), []string{"gossip:1", "hello:1", "file:1"}; !slices.Equal(got, want) {
		t.Errorf("addresses of a = %v, want %v", got, want)
	}
	if got := b.find("b"); !slices.Equal(got, []string{"file:2"}) {
		t.Errorf("addresses of b = %v, want the one address once", got)
	}
	if !b.learn("a", "gossip:9", fromGossip) || b.learn("a", "gossip:9", fromGossip) || b.find("a")[0] != "gossip:9" {
		t.Errorf("a changed address is not news, or known ones are: %v", b.find("a"))
	}
}

func TestBookIsBoundedAndTakesOnlyServerIDs(t *testing.T) {
	b := newBook(nil)
	for i := range 10000 {
		b.learn(fmt.Sprint("s", i), "x:1", fromHello)
	}
	if n := len(b.best()); n > 256 {
		t.Errorf("%d servers remembered", n)
	}
	for _, id := range []string{"", "a b", "../x", strings.Repeat("a", 65)} {
		if newBook(nil).learn(id, "x:1", fromHello) {
			t.Errorf("learned an address for %q", id)
		}
	}
}
