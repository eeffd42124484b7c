package login

import (
	"fmt"
	"net/netip"
	"testing"
	"time"
)

var (
	office   = netip.MustParseAddr("192.0.2.10")
	attacker = netip.MustParseAddr("198.51.100.66")
	noon     = time.Date(2026, time.May, 4, 12, 0, 0, 0, time.UTC)
)

// guess makes one attempt with wrong credentials and reports whether it was admitted.
func guess(t *throttle, uid string, from netip.Addr, now time.Time) bool {
	if t.wait(uid, from, now) > 0 {
		return false
	}
	t.failed(uid, from, now)
	return true
}

func TestThrottleSlowsAPairDownAndNeverLocksIt(t *testing.T) {
	th, now := newThrottle(), noon
	for i := range pairFree {
		if !guess(th, "alice", office, now) {
			t.Fatalf("failure %d was refused, want %d free ones", i+1, pairFree)
		}
	}
	for i, want := range []time.Duration{1, 2, 4, 8, 16, 30, 30, 30} {
		wait := th.wait("alice", office, now)
		if wait != want*time.Second {
			t.Fatalf("wait %d is %v, want %v", i+1, wait, want*time.Second)
		}
		for range 1000 { // hammering while turned away does not prolong the wait
			th.wait("alice", office, now)
		}
		now = now.Add(wait)
		if !guess(th, "alice", office, now) {
			t.Fatalf("attempt after wait %d was refused", i+1)
		}
	}
}

func TestThrottleForgetsAfterSuccessAndAfterQuiet(t *testing.T) {
	th := newThrottle()
	for range pairFree {
		guess(th, "alice", office, noon)
	}
	th.succeeded("alice", office)
	if wait := th.wait("alice", office, noon); wait != 0 {
		t.Errorf("wait after a success is %v, want none", wait)
	}
	for range pairFree {
		guess(th, "bob", office, noon)
	}
	if wait := th.wait("bob", office, noon.Add(pairMemory+time.Second)); wait != 0 {
		t.Errorf("wait after %v of quiet is %v, want none", pairMemory, wait)
	}
}

func TestThrottleAdmitsOneOfABurstOnceFreeFailuresAreUsedUp(t *testing.T) {
	th := newThrottle()
	for range pairFree {
		guess(th, "alice", office, noon)
	}
	later, admitted := noon.Add(time.Minute), 0
	for range 50 {
		if th.wait("alice", office, later) == 0 {
			admitted++
		}
	}
	if admitted != 1 {
		t.Errorf("%d parallel attempts were admitted, want 1", admitted)
	}
}

func TestThrottleAtOneAddressDoesNotTouchAnother(t *testing.T) {
	th := newThrottle()
	for i := range 2000 {
		guess(th, "alice", attacker, noon.Add(time.Duration(i)*time.Millisecond))
	}
	if wait := th.wait("alice", office, noon.Add(2*time.Second)); wait != 0 {
		t.Errorf("the owner waits %v for failures of another address, want none", wait)
	}
}

func TestThrottleCountsAnAddressOverAllUIDs(t *testing.T) {
	th, admitted := newThrottle(), 0
	for i := range 1000 {
		if guess(th, fmt.Sprintf("user-%d", i), attacker, noon) {
			admitted++
		}
	}
	if admitted != addressBurst {
		t.Errorf("%d failures were admitted at once, want %d", admitted, addressBurst)
	}
	if wait := th.wait("another", attacker, noon); wait != addressRefill {
		t.Errorf("wait of the address is %v, want %v", wait, addressRefill)
	}
	if wait := th.wait("another", attacker, noon.Add(addressRefill)); wait != 0 {
		t.Errorf("wait after a refill is %v, want none", wait)
	}
}

func TestThrottleLetsKnownNeighboursInAtABusyAddress(t *testing.T) {
	th := newThrottle()
	th.succeeded("alice", office)
	for i := range 1000 {
		guess(th, fmt.Sprintf("user-%d", i), office, noon)
	}
	if wait := th.wait("alice", office, noon); wait != 0 {
		t.Errorf("alice waits %v for her neighbours' failures, want none", wait)
	}
}

func TestThrottleDoesNotLetOneAccountClearTheAddress(t *testing.T) {
	th, admitted := newThrottle(), 0
	for i := range 1000 {
		if guess(th, fmt.Sprintf("user-%d", i), attacker, noon) {
			admitted++
		}
		th.succeeded("mallory", attacker)
	}
	if admitted != addressBurst {
		t.Errorf("%d failures were admitted, want %d", admitted, addressBurst)
	}
}

func TestThrottleSeesOneHostBehindManyIPv6Addresses(t *testing.T) {
	th := newThrottle()
	for i := range pairFree {
		guess(th, "alice", netip.MustParseAddr(fmt.Sprintf("2001:db8:1:2::%x", i+1)), noon)
	}
	if th.wait("alice", netip.MustParseAddr("2001:db8:1:2:ffff::1"), noon) == 0 {
		t.Error("a new address of the same /64 starts afresh")
	}
	if wait := th.wait("alice", netip.MustParseAddr("2001:db8:1:3::1"), noon); wait != 0 {
		t.Errorf("another /64 waits %v, want none", wait)
	}
	for range pairFree {
		guess(th, "bob", office, noon)
	}
	if th.wait("bob", netip.MustParseAddr("::ffff:"+office.String()), noon) == 0 {
		t.Error("the mapped form of an IPv4 address starts afresh")
	}
}

func TestThrottleCountsClientsWithoutAddressTogether(t *testing.T) {
	th := newThrottle()
	for range pairFree {
		guess(th, "alice", netip.Addr{}, noon)
	}
	if th.wait("alice", netip.Addr{}, noon) == 0 || th.wait("alice", office, noon) != 0 {
		t.Error("failures without an address are not counted, or counted against an address")
	}
}

func TestThrottleMemoryIsBounded(t *testing.T) {
	th := newThrottle()
	for i := range maxPairs + 5000 {
		from := netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
		th.failed("alice", from, noon)
		th.succeeded("bob", from)
	}
	if got := th.pairs.Len(); got > maxPairs {
		t.Errorf("%d pairs are remembered, want at most %d", got, maxPairs)
	}
	if got := th.addresses.Len(); got > maxAddresses {
		t.Errorf("%d addresses are remembered, want at most %d", got, maxAddresses)
	}
	if got := th.known.Len(); got > maxKnown {
		t.Errorf("%d known pairs are remembered, want at most %d", got, maxKnown)
	}
}

func TestThrottleKeepsNoAttackerChosenKeys(t *testing.T) {
	th := newThrottle()
	for i := range pairFree {
		guess(th, fmt.Sprintf("no such uid %d", i), attacker, noon)
	}
	if got := th.pairs.Len(); got != 1 {
		t.Errorf("%d records for uids that cannot exist, want 1", got)
	}
}
