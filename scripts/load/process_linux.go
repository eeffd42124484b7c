package main

import "syscall"

// dieWithParent has the kernel kill a child when the generator dies, however it dies.
func dieWithParent() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
