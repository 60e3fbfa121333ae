package local

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"
)

// hub is the process of bus, hub and gateway.
func (h Home) hub() Process { return Process{Name: "hub", Dir: h.hubDir()} }

// member is the process of one member.
func (h Home) member(name string) Process { return Process{Name: name, Dir: h.MemberDir(name)} }

// Processes lists the processes of the home, the hub first, then the members by
// name, whether they run or not.
func (h Home) Processes() ([]Process, error) {
	entries, err := os.ReadDir(h.path("members"))
	if err != nil && !isMissing(err) {
		return nil, err
	}
	out := []Process{h.hub()}
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

// Down stops all processes of the home: the members first, side by side, so that
// each can say goodbye, then the hub. Unless data is kept it then removes
// everything that Up made, and the home itself when nothing else is in it.
func Down(ctx context.Context, h Home, keepData bool) error {
	processes, err := h.Processes()
	if err != nil {
		return err
	}
	hub, members := processes[0], processes[1:]
	errs := make([]error, len(members))
	var wait sync.WaitGroup
	for i, m := range members {
		wait.Go(func() { errs[i] = m.Stop(ctx, 10*time.Second) })
	}
	wait.Wait()
	if err := errors.Join(append(errs, hub.Stop(ctx, 10*time.Second))...); err != nil {
		return err
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
