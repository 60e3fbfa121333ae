package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
)

// runInit starts a command and returns its exit status when it has ended. Until
// then it reaps every process that lost its parent, as the first process of a
// namespace has to.
func runInit(command []string) (int, error) {
	path, err := exec.LookPath(command[0])
	if err != nil {
		return 0, fmt.Errorf("start the node: %w", err)
	}
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, syscall.SIGCHLD, syscall.SIGTERM, syscall.SIGINT)
	child, err := syscall.ForkExec(path, command, &syscall.ProcAttr{Env: os.Environ(), Files: []uintptr{0, 1, 2}})
	if err != nil {
		return 0, fmt.Errorf("start the node: %w", err)
	}
	os.Stdin.Close()
	for received := range signals {
		if received != syscall.SIGCHLD {
			_ = syscall.Kill(child, received.(syscall.Signal))
			continue
		}
		if status, ok := reap(child); ok {
			return status, nil
		}
	}
	return 0, nil
}

// reap takes every process that has ended, and reports the status of one of them.
func reap(awaited int) (int, bool) {
	status, found := 0, false
	for {
		var state syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &state, syscall.WNOHANG, nil)
		if errors.Is(err, syscall.EINTR) {
			continue
		}
		if pid <= 0 || err != nil {
			return status, found
		}
		if pid != awaited {
			continue
		}
		status, found = state.ExitStatus(), true
		if state.Signaled() {
			status = 128 + int(state.Signal())
		}
	}
}

// pause holds the namespaces of a pod.
func pause() {
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, syscall.SIGCHLD, syscall.SIGTERM, syscall.SIGINT)
	for received := range signals {
		if received != syscall.SIGCHLD {
			return
		}
		reap(0)
	}
}
