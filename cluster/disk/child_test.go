package disk

import (
	"os"
	"os/exec"
	"syscall"
	"testing"
)

// childEnv tells a test that it runs in a child process, and in which part.
const childEnv = "DISK_TEST_CHILD"

// child prepares a re-execution of the running test in a process of its own.
func child(t testing.TB, part string, env ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(append(os.Environ(), childEnv+"="+part), env...)
	return cmd
}

// inPrivateMounts runs the test again where it may mount, out of everybody's sight: what it mounts is gone with the
// child, however that ends. It reports true in the child. Without root it takes a user namespace.
func inPrivateMounts(t *testing.T) bool {
	t.Helper()
	if os.Getenv(childEnv) == "mounts" {
		return true
	}
	cmd := child(t, "mounts")
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	if os.Geteuid() != 0 {
		cmd.SysProcAttr.Cloneflags = syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}}
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("child: %v\n%s", err, out)
	}
	return false
}

// mountSmall mounts a file system of 8 MiB in memory.
func mountSmall(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=8m"); err != nil {
		t.Fatalf("mount: %v", err)
	}
	t.Cleanup(func() { syscall.Unmount(dir, syscall.MNT_DETACH) })
	return dir
}
