package local

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Process is one process of a local federation; Dir is its own directory, with
// its lock, its process number and its log.
type Process struct {
	Name string // "hub", or the member's name
	Dir  string
}

func (p Process) lockFile() string { return filepath.Join(p.Dir, "lock") }
func (p Process) pidFile() string  { return filepath.Join(p.Dir, "pid") }

// Log is the file that gets the process's output.
func (p Process) Log() string { return filepath.Join(p.Dir, "log") }

// start runs the command with its output in the log, in a session of its own, so
// that it outlives the caller's terminal. It refuses when the process runs.
func (p Process) start(name string, args ...string) error {
	lock, err := p.lock()
	if err != nil {
		return err
	}
	defer lock.Close()
	log, err := os.OpenFile(p.Log(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("open log of %s: %w", p.Name, err)
	}
	defer log.Close()
	cmd := exec.Command(name, args...)
	cmd.Stdout, cmd.Stderr, cmd.Dir = log, log, p.Dir
	cmd.ExtraFiles = []*os.File{lock}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", p.Name, err)
	}
	if err := os.WriteFile(p.pidFile(), []byte(strconv.Itoa(cmd.Process.Pid)), 0o600); err != nil {
		return errors.Join(fmt.Errorf("note process of %s: %w", p.Name, err), cmd.Process.Kill())
	}
	go func() { _ = cmd.Wait() }() // reaps it while this command lives; its exit shows in the lock
	return nil
}

// lock takes the process's lock, which the child then inherits.
func (p Process) lock() (*os.File, error) {
	if err := os.MkdirAll(p.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("make directory of %s: %w", p.Name, err)
	}
	f, err := os.OpenFile(p.lockFile(), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open lock of %s: %w", p.Name, err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		return nil, fmt.Errorf("%s is running (process %d)", p.Name, p.pid())
	}
	return f, nil
}

// Running reports whether the process lives, and its process number.
func (p Process) Running() (int, bool) {
	f, err := os.Open(p.lockFile())
	if err != nil {
		return 0, false
	}
	defer f.Close()
	if syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB) == nil {
		return 0, false
	}
	pid := p.pid()
	return pid, pid > 0
}

func (p Process) pid() int {
	b, err := os.ReadFile(p.pidFile())
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		return 0
	}
	return pid
}

// Signal sends sig, or returns an error that says that the process is not running.
func (p Process) Signal(sig syscall.Signal) error {
	pid, ok := p.Running()
	if !ok {
		return fmt.Errorf("%s is not running", p.Name)
	}
	if err := syscall.Kill(pid, sig); err != nil {
		return fmt.Errorf("send %v to %s (process %d): %w", sig, p.Name, pid, err)
	}
	return nil
}

// Stop ends the process with SIGTERM and, when it has not ended within grace,
// with SIGKILL. Stopping what does not run is no error.
func (p Process) Stop(ctx context.Context, grace time.Duration) error {
	if _, ok := p.Running(); !ok {
		return nil
	}
	// A paused process takes no SIGTERM before it goes on.
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGCONT} {
		if err := p.Signal(sig); err != nil && p.alive() {
			return err
		}
	}
	if p.gone(ctx, grace) {
		return nil
	}
	if err := p.Signal(syscall.SIGKILL); err != nil && p.alive() {
		return err
	}
	if p.gone(ctx, 5*time.Second) {
		return nil
	}
	return fmt.Errorf("%s (process %d) did not end", p.Name, p.pid())
}

func (p Process) alive() bool {
	_, ok := p.Running()
	return ok
}

// gone waits until the process has ended, at most for limit.
func (p Process) gone(ctx context.Context, limit time.Duration) bool {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return poll(ctx, 20*time.Millisecond, func() (bool, error) { return !p.alive(), nil }) == nil
}

// lastLine returns the last line of the log, the reason why a process ended.
func (p Process) lastLine() string {
	b, err := os.ReadFile(p.Log())
	if err != nil {
		return "no log"
	}
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	return lines[len(lines)-1]
}

// poll asks done every interval until it says yes, returns an error, or ctx ends.
func poll(ctx context.Context, interval time.Duration, done func() (bool, error)) error {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		ok, err := done()
		if ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
}
