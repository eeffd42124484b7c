package cluster

import "time"

const (
	// followWait bounds how long a large entry keeps its place in the lane after it was applied.
	followWait = time.Second
	// followClose is how many entries a server may be behind that is waited for. One that is further behind is catching up
	// with what it missed.
	followClose = 1024
)

// settle returns when all servers that keep up have the entries up to index, and not only a majority, or after followWait. Large
// entries are paced by that: else the slower of two followers would fall behind by ever more megabytes, and reads through
// it wait for all of them.
func (n *Node) settle(index uint64) {
	enough := time.NewTimer(followWait)
	defer enough.Stop()
	for {
		moved := n.progress.moved.wait()
		if !n.leads() || n.followed(index) {
			return
		}
		select {
		case <-moved:
		case <-enough.C:
			return
		}
	}
}

// followed reports whether every other server has the entry, save those that are cut off or far behind.
func (n *Node) followed(index uint64) bool {
	for _, s := range n.configuration() {
		f, seen := n.progress.of(string(s.ID))
		if seen && f.match < index && f.match+followClose >= index && !f.installing && time.Since(f.contact) < contactFresh {
			return false
		}
	}
	return true
}
