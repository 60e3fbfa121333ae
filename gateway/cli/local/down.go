package local

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"
)

// hub is the process of bus, hub and gateway; i counts them from 0.
func (h Home) hub(i int) Process { return Process{Name: hubName(i), Dir: h.path(hubName(i))} }

// hubs lists the hubs that were ever started, or the first.
func (h Home) hubs() []Process {
	out := []Process{h.hub(0)}
	for i := 1; i < maxHubs; i++ {
		if _, err := os.Stat(h.path(hubName(i))); err == nil {
			out = append(out, h.hub(i))
		}
	}
	return out
}

// member is the process of one member.
func (h Home) member(name string) Process { return Process{Name: name, Dir: h.MemberDir(name)} }

// Processes lists the processes of the home, the hubs first, then the members by
// name, whether they run or not.
func (h Home) Processes() ([]Process, error) {
	entries, err := os.ReadDir(h.path("members"))
	if err != nil && !isMissing(err) {
		return nil, err
	}
	out := h.hubs()
	for _, e := range entries {
		if e.IsDir() {
			out = append(out, h.member(e.Name()))
		}
	}
	return out, nil
}

// FindMember returns a member's process, or an error that lists the members.
func (h Home) FindMember(name string) (Process, error) {
	spec, err := loadSaved(h.Spec())
	if err != nil {
		return Process{}, err
	}
	var names []string
	for _, m := range spec.Members {
		if m.Name == name {
			return h.member(name), nil
		}
		names = append(names, m.Name)
	}
	if len(names) == 0 {
		return Process{}, fmt.Errorf("no federation was started from %s: run \"hansa up\"", h)
	}
	return Process{}, fmt.Errorf("member %q was not started by \"hansa up\": the members are %v", name, names)
}

// StartMember starts a member that died, with the data it had.
func StartMember(h Home, name, hansaCluster string) error {
	process, err := h.FindMember(name)
	if err != nil {
		return err
	}
	return process.start(hansaCluster, "--config", h.path("members", name, "cluster.yaml"))
}

// StartHub starts a hub that ended, with the data it had.
func StartHub(h Home, name, hansa string) error {
	process, err := h.FindHub(name)
	if err != nil {
		return err
	}
	return process.start(hansa, "hub", "--config", h.hubConfig(name))
}

// FindHub returns a hub's process, or an error that lists the hubs.
func (h Home) FindHub(name string) (Process, error) {
	var names []string
	for _, p := range h.hubs() {
		if p.Name == name {
			return p, nil
		}
		names = append(names, p.Name)
	}
	return Process{}, fmt.Errorf("hub %q was not started by \"hansa up\": the hubs are %v", name, names)
}

// Down stops all processes of the home: the members first, side by side, so that
// each can say goodbye, then the hubs, and removes what containerd nodes left. Unless data is kept it then removes
// everything that Up made, and the home itself when nothing else is in it.
func Down(ctx context.Context, h Home, keepData bool) error {
	processes, err := h.Processes()
	if err != nil {
		return err
	}
	hubs := len(h.hubs())
	for _, group := range [][]Process{processes[hubs:], processes[:hubs]} {
		errs := make([]error, len(group))
		var wait sync.WaitGroup
		for i, p := range group {
			wait.Go(func() { errs[i] = p.Stop(ctx, 10*time.Second) })
		}
		wait.Wait()
		if err := errors.Join(errs...); err != nil {
			return err
		}
	}
	if err := h.network().Clean(); err != nil {
		return fmt.Errorf("remove what nodes left on this machine: %w", err)
	}
	if keepData {
		return nil
	}
	return h.remove()
}

func (h Home) remove() error {
	for _, path := range h.made() {
		if err := os.RemoveAll(path); err != nil {
			return fmt.Errorf("remove %s: %w", path, err)
		}
	}
	if err := os.Remove(string(h)); err != nil && !isMissing(err) {
		return nil //nolint:nilerr // something else lies in the home; it stays
	}
	return nil
}
