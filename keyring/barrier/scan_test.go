//go:build linux && goexperiment.runtimesecret

package barrier

import (
	"bufio"
	"bytes"
	"crypto/aes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"reflect"
	"runtime/debug"
	"slices"
	"sync"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"gatehouse/keyring/secretmem"
	"gatehouse/keyring/secretmem/memscan"
)

// G11, S19: while a store is open its keys are in memory, and after it is sealed they are nowhere in what the process can write
// to: neither root key, nor data key, nor what the cipher made of it. The process is another one, so that the test may know them.
func TestHostileMemory(t *testing.T) {
	t.Run("S19", func(t *testing.T) {
		f := opened(t)
		data, _ := f.stores["default"].keys.of(1)
		needles := [][]byte{f.root, data, schedule(t, data)}
		m := startMaster(t, f)
		open, err := memscan.Count(m.cmd.Process.Pid, needles...)
		if errors.Is(err, fs.ErrPermission) {
			return // that nobody may look protects as well
		}
		if err != nil || slices.Contains(open, 0) {
			t.Fatalf("while the store is open, the scan finds %v of root key, data key and its schedule (%v): it finds too little", open, err)
		}
		m.tell("seal")
		if left := m.scanUntilGone(needles); !allZero(left) {
			t.Errorf("after the seal there are %v copies of root key, data key and its schedule", left)
		}
		m.tell("read") // it is alive, and refuses
	})
}

func allZero(counts []int) bool {
	return !slices.ContainsFunc(counts, func(n int) bool { return n != 0 })
}

// schedule is a part of what AES makes of a key before it uses it: the first round keys that are not the key itself.
func schedule(t *testing.T, key []byte) []byte {
	t.Helper()
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	value := reflect.ValueOf(block)
	state := unsafe.Slice((*byte)(value.UnsafePointer()), value.Type().Elem().Size())
	at := bytes.Index(state, key)
	if at < 0 {
		t.Fatal("the schedule does not begin with the key")
	}
	return bytes.Clone(state[at+len(key) : at+2*len(key)])
}

// childEnv names the part that this test binary plays when the test starts it again.
const childEnv = "GATEHOUSE_TEST_BARRIER_CHILD"

// playedMaster is the other process.
type playedMaster struct {
	t      *testing.T
	cmd    *exec.Cmd
	input  io.WriteCloser
	output *bufio.Reader
}

// startMaster starts it and has it use the keys of the fixture. The root key goes through a pipe of its own, straight into
// memory for keys.
func startMaster(t *testing.T, f *fixture) *playedMaster {
	t.Helper()
	keys, give, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	m := &playedMaster{t: t, cmd: exec.Command(os.Args[0], "-test.run=^$")}
	m.cmd.Env = append(os.Environ(), childEnv+"=1", "GOTRACEBACK=single")
	m.cmd.ExtraFiles, m.cmd.Stderr = []*os.File{keys}, os.Stderr
	if m.input, err = m.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	output, err := m.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	m.output = bufio.NewReader(output)
	if err := m.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.cmd.Process.Kill(); _ = m.cmd.Wait() })
	_ = keys.Close()
	if err := json.NewEncoder(m.input).Encode(f.spec); err != nil {
		t.Fatal(err)
	}
	if _, err := give.Write(f.root); err != nil {
		t.Fatal(err)
	}
	_ = give.Close()
	m.tell("use")
	return m
}

// tell says what is to be done and waits until it is.
func (m *playedMaster) tell(what string) {
	m.t.Helper()
	if _, err := fmt.Fprintln(m.input, what); err != nil {
		m.t.Fatalf("tell %q: %v", what, err)
	}
	if answer, err := m.output.ReadString('\n'); err != nil || answer != what+" done\n" {
		m.t.Fatalf("told %q, it answers %q (%v)", what, answer, err)
	}
}

// scanUntilGone gives the collections that follow a seal their time.
func (m *playedMaster) scanUntilGone(needles [][]byte) (left []int) {
	m.t.Helper()
	for deadline := time.Now().Add(15 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		left, err := memscan.Count(m.cmd.Process.Pid, needles...)
		if err != nil {
			m.t.Fatal(err)
		}
		if allZero(left) || time.Now().After(deadline) {
			return left
		}
	}
}

// TestMain plays the other process where the environment asks for it.
func TestMain(m *testing.M) {
	if os.Getenv(childEnv) == "" {
		os.Exit(m.Run())
	}
	if err := playMaster(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// playMaster follows a store, opens it, and does what it is told. Nothing is collected but by the barrier, so that what ciphers
// leave on the heap would stay there.
func playMaster(input io.Reader, output io.Writer) error {
	debug.SetGCPercent(-1)
	lines := bufio.NewScanner(input)
	var spec Spec
	if !lines.Scan() {
		return errors.New("no spec")
	}
	if err := json.Unmarshal(lines.Bytes(), &spec); err != nil {
		return fmt.Errorf("read the spec: %w", err)
	}
	b := New()
	b.Follow([]Spec{spec})
	if err := installFrom(3, b); err != nil {
		return err
	}
	for lines.Scan() {
		var err error
		switch lines.Text() {
		case "use":
			err = useKeys(b)
		case "seal":
			spec.Epoch, spec.Sealed = 2, true
			b.Follow([]Spec{spec})
		case "read":
			if _, _, sealed := b.Seal("default", 2, Name{Path: "a"}, nil); !errors.Is(sealed, ErrSealed) {
				err = fmt.Errorf("sealed store: %w", sealed)
			}
		}
		if err != nil {
			return err
		}
		fmt.Fprintln(output, lines.Text(), "done")
	}
	return nil
}

// installFrom reads the root key from a pipe.
func installFrom(fd int, b *Barrier) error {
	root := secretmem.Alloc(KeySize)
	defer root.Wipe()
	if n, err := unix.Read(fd, root.Bytes()); n != KeySize || err != nil {
		return fmt.Errorf("read the root key: %d bytes, %w", n, err)
	}
	return b.Install("default", 1, root.Bytes())
}

// useKeys is what a busy master does with them.
func useKeys(b *Barrier) error {
	var users sync.WaitGroup
	failed := make(chan error, 4)
	for user := range 4 {
		users.Go(func() {
			for i := range 500 {
				n := Name{Path: fmt.Sprint(user, "/", i), Version: 1}
				term, sealed, err := b.Seal("default", 1, n, make([]byte, i))
				if err == nil {
					_, err = b.Decrypt("default", 1, term, n, sealed)
				}
				if err == nil && i%50 == 0 {
					_, err = b.NewKey("default", 1, 2)
				}
				if err != nil {
					failed <- err
					return
				}
			}
		})
	}
	users.Wait()
	close(failed)
	return <-failed
}
