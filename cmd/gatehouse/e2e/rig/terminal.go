package rig

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Terminal is a command that runs on a terminal of its own, at whose keyboard a test sits.
type Terminal struct {
	master *os.File
	cmd    *exec.Cmd
	ended  chan struct{} // closed when the command has ended and all that it printed is in screen

	mu     sync.Mutex // guards screen
	screen bytes.Buffer
	seen   int // of screen, by Answer; the test's goroutine alone
}

// OpenTerminal starts cmd on a new terminal that is so many cells wide.
func OpenTerminal(cmd *exec.Cmd, width int) (*Terminal, error) {
	master, slave, err := openPTY(width)
	if err != nil {
		return nil, fmt.Errorf("open a terminal: %w", err)
	}
	defer slave.Close()
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		master.Close()
		return nil, err
	}
	t := &Terminal{master: master, cmd: cmd, ended: make(chan struct{})}
	go t.watch()
	return t, nil
}

func openPTY(width int) (master, slave *os.File, err error) {
	master, err = os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		return nil, nil, err
	}
	fd := int(master.Fd())
	number, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0)
	}
	if err == nil {
		err = unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 40, Col: uint16(width)})
	}
	if err == nil {
		slave, err = os.OpenFile("/dev/pts/"+strconv.Itoa(number), os.O_RDWR|syscall.O_NOCTTY, 0)
	}
	if err != nil {
		master.Close()
		return nil, nil, err
	}
	return master, slave, nil
}

// watch reads what the command prints. The kernel answers EIO when nobody has the terminal open any more.
func (t *Terminal) watch() {
	defer close(t.ended)
	chunk := make([]byte, 4096)
	for {
		n, err := t.master.Read(chunk)
		t.mu.Lock()
		t.screen.Write(chunk[:n])
		t.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// Screen is all that was shown so far, the keyboard's echo included.
func (t *Terminal) Screen() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.ReplaceAll(t.screen.String(), "\r\n", "\n")
}

// Answer waits until the command has asked for prompt, after what was answered before, and types text.
func (t *Terminal) Answer(ctx context.Context, prompt, text string) error {
	err := Await(ctx, 60*time.Second, fmt.Sprintf("a prompt %q", prompt), func(context.Context) error {
		screen := t.Screen()
		at := strings.Index(screen[min(t.seen, len(screen)):], prompt)
		if at >= 0 {
			t.seen += at + len(prompt)
			return nil
		}
		select {
		case <-t.ended:
			return fmt.Errorf("the command has ended: %q: %w", screen, ErrFinal)
		default:
			return fmt.Errorf("the screen is %q", screen)
		}
	})
	if err != nil {
		return err
	}
	_, err = t.master.WriteString(text)
	return err
}

// Echoes reports whether the terminal shows what is typed.
func (t *Terminal) Echoes() (bool, error) {
	mode, err := unix.IoctlGetTermios(int(t.master.Fd()), unix.TCGETS)
	if err != nil {
		return false, err
	}
	return mode.Lflag&unix.ECHO != 0, nil
}

// Close puts the terminal away, after Wait.
func (t *Terminal) Close() { t.master.Close() }

// Wait waits for the end of the command and answers its exit status and the screen.
func (t *Terminal) Wait(ctx context.Context) (status int, screen string, err error) {
	done := make(chan error, 1)
	go func() { done <- t.cmd.Wait() }()
	select {
	case err = <-done:
	case <-ctx.Done():
		_ = t.cmd.Process.Kill()
		err = errors.Join(ctx.Err(), <-done)
	}
	<-t.ended
	var exit *exec.ExitError
	if errors.As(err, &exit) && ctx.Err() == nil {
		return exit.ExitCode(), t.Screen(), nil
	}
	return 0, t.Screen(), err
}
