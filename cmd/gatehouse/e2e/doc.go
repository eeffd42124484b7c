// Package e2e holds the black-box tests: real processes of the release binary, a real HAProxy, real disks that fill up
// and files that are damaged. They know the product by its command line, its API and its files, and run with
//
//	make e2e
//
// Package rig starts and torments the processes.
package e2e
