package rig

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
)

// whoDials answers which of the masters owns the other end of a connection on loopback. Masters share one address, so
// only the kernel can tell them apart: /proc/net/tcp has the socket's inode, and /proc/PID/fd shows who holds it.
func whoDials(remote net.Addr, masters []*Master) string {
	inode := socketInode(remote)
	if inode == "" {
		return ""
	}
	for _, m := range masters {
		if holdsSocket(m.PID(), inode) {
			return m.Name
		}
	}
	return ""
}

// socketInode is the inode of the socket whose local address is addr, "" when it is gone.
func socketInode(addr net.Addr) string {
	tcp, ok := addr.(*net.TCPAddr)
	if !ok {
		return ""
	}
	table, err := os.ReadFile("/proc/net/tcp")
	if err != nil {
		return ""
	}
	ip := tcp.IP.To4()
	local := fmt.Sprintf("%02X%02X%02X%02X:%04X", ip[3], ip[2], ip[1], ip[0], tcp.Port)
	for line := range strings.Lines(string(table)) {
		// sl local_address rem_address st tx:rx tr:when retrnsmt uid timeout inode …
		fields := strings.Fields(line)
		if len(fields) > 9 && fields[1] == local {
			return fields[9]
		}
	}
	return ""
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
