package doctor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"gatehouse/cluster/disk"
	"gatehouse/keyring"
)

func lookAtKey(path string) keyFacts {
	var f keyFacts
	info, err := os.Stat(path)
	if err == nil {
		f.mode, f.uid = info.Mode().Perm(), owner(info)
	}
	f.ring, f.err = keyring.Load(path)
	return f
}

func owner(info fs.FileInfo) int {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(st.Uid)
	}
	return -1
}

func lookAtDir(in Input) dirFacts {
	var f dirFacts
	info, err := os.Stat(in.DataDir)
	if err != nil {
		f.missing, f.err = errors.Is(err, fs.ErrNotExist), err
		return f
	}
	f.mode, f.uid = info.Mode().Perm(), owner(info)
	id, err := disk.LoadIdentity(in.DataDir)
	switch {
	case err == nil:
		f.identity = &id
	case !errors.Is(err, disk.ErrNoIdentity):
		f.identityErr = err
	}
	f.holder, f.holderErr = disk.Holder(in.DataDir)
	f.stopped = f.holder != 0 && isStopped(f.holder)
	return f
}

// lookAtDisk measures the data directory, and proves it whole if no master uses it. A disk that hangs is found by the
// time that this takes.
func (f *facts) lookAtDisk(ctx context.Context) {
	d, dir := &f.dir, f.in.DataDir
	if d.err != nil {
		return
	}
	d.room, d.roomErr = within(ctx, localLimit, func() (disk.Room, error) { return disk.Measure(dir, f.in.LowWater) })
	d.syncs, d.syncErr = within(ctx, localLimit, func() ([]time.Duration, error) { return measureSync(dir) })
	if ring := f.key.ring; ring != nil && d.identity != nil && d.holder == 0 && d.holderErr == nil {
		_, d.damage = within(ctx, damageLimit, func() (any, error) { return nil, disk.Inspect(disk.Options{Dir: dir, Keys: ring}) })
		// Unless a master has started meanwhile, and changed what was looked at.
		pid, err := disk.Holder(dir)
		d.inspected = pid == 0 && err == nil
	}
}

// syncProbes is how many small writes are timed.
const syncProbes = 8

// measureSync writes a small file and forces it to the device, several times, and removes it.
func measureSync(dir string) (took []time.Duration, err error) {
	f, err := os.CreateTemp(dir, ".doctor-*")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close(), os.Remove(f.Name())) }()
	block := make([]byte, 4096)
	for range syncProbes {
		began := time.Now()
		if _, err := f.WriteAt(block, 0); err != nil {
			return nil, err
		}
		if err := unix.Fdatasync(int(f.Fd())); err != nil {
			return nil, fmt.Errorf("force to the device: %w", err)
		}
		took = append(took, time.Since(began))
		if took[0] > 500*time.Millisecond {
			break // known to be slow
		}
	}
	slices.Sort(took)
	return took, nil
}

// clockFacts is what the kernel says about its clock.
type clockFacts struct {
	synchronised bool
	maxError     time.Duration
	err          error
}

// lookAtClock reads the state of the kernel's clock discipline (adjtimex(2)); it sets nothing.
func lookAtClock() clockFacts {
	var t unix.Timex
	state, err := unix.Adjtimex(&t)
	return clockFacts{
		synchronised: err == nil && state != unix.TIME_ERROR && t.Status&unix.STA_UNSYNC == 0,
		maxError:     time.Duration(t.Maxerror) * time.Microsecond, err: err,
	}
}

// isStopped asks the kernel for the state of a process, which follows its name in parentheses.
func isStopped(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	i := bytes.LastIndexByte(stat, ')')
	return err == nil && i >= 0 && (bytes.HasPrefix(stat[i:], []byte(") T")) || bytes.HasPrefix(stat[i:], []byte(") t")))
}
