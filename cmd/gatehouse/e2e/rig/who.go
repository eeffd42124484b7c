package rig

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
)

// whoDials answers which of the masters made a connection on loopback that was accepted here. Masters share one address,
// so only the kernel can tell them apart: /proc/net/tcp has the inode of the socket at the other end, and /proc/PID/fd
// shows who holds it.
func whoDials(accepted net.Conn, masters []*Master) string {
	// The kernel does not list every socket of a table that changes while it is read, but hardly ever twice in a row.
	for range 3 {
		if inode := socketInode(accepted.RemoteAddr(), accepted.LocalAddr()); inode != "" {
			return whoHolds(inode, masters)
		}
	}
	return ""
}

func whoHolds(inode string, masters []*Master) string {
	for _, m := range masters {
		if holdsSocket(m.PID(), inode) {
			return m.Name
		}
	}
	return ""
}

// socketInode is the inode of the socket with these two ends, "" when it is gone. Both count: a local port may be used
// for several connections, and for some that are over (their inode is 0).
func socketInode(local, remote net.Addr) string {
	table, err := os.ReadFile("/proc/net/tcp")
	if err != nil {
		return ""
	}
	ends := [2]string{tableAddress(local), tableAddress(remote)}
	for line := range strings.Lines(string(table)) {
		// sl local_address rem_address st tx:rx tr:when retrnsmt uid timeout inode …
		fields := strings.Fields(line)
		if len(fields) > 9 && [2]string{fields[1], fields[2]} == ends && fields[9] != "0" {
			return fields[9]
		}
	}
	return ""
}

// tableAddress is an address as /proc/net/tcp writes it, "" unless it is one of TCP over IPv4.
func tableAddress(addr net.Addr) string {
	tcp, ok := addr.(*net.TCPAddr)
	if !ok || tcp.IP.To4() == nil {
		return ""
	}
	ip := tcp.IP.To4()
	return fmt.Sprintf("%02X%02X%02X%02X:%04X", ip[3], ip[2], ip[1], ip[0], tcp.Port)
}

func holdsSocket(pid int, inode string) bool {
	if pid == 0 {
		return false
	}
	links, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	if err != nil {
		return false
	}
	for _, link := range links {
		if target, err := os.Readlink(link); err == nil && target == "socket:["+inode+"]" {
			return true
		}
	}
	return false
}
