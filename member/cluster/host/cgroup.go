package host

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// groups is where Linux has its control groups.
const groups = "/sys/fs/cgroup"

// systemGroup is the leaf in which a node's own processes are; its pods are
// beside it.
const systemGroup = "system"

// groupPrefix begins the names of the control groups of all nodes.
func (n Network) groupPrefix() string { return "hansa-" + string(n) + "-" }

// Group is the control group of a node, as a path in each hierarchy.
func (n Network) Group(node string) string { return "/" + n.groupPrefix() + node }

// hierarchies are the roots of control groups: one of version 2, or one of
// version 1 for each controller.
func hierarchies() ([]string, error) {
	if _, err := os.Stat(filepath.Join(groups, "cgroup.controllers")); err == nil {
		return []string{groups}, nil
	}
	entries, err := os.ReadDir(groups)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list control groups: %w", err)
	}
	var out []string
	for _, entry := range entries {
		dir := filepath.Join(groups, entry.Name())
		if _, err := os.Stat(filepath.Join(dir, "cgroup.procs")); err == nil && entry.IsDir() {
			out = append(out, dir)
		}
	}
	return out, nil
}

// MakeGroup makes the control group of a node in every hierarchy.
func (n Network) MakeGroup(node string) error {
	roots, err := hierarchies()
	if err != nil {
		return err
	}
	for _, root := range roots {
		dir := filepath.Join(root, n.Group(node))
		if err := os.MkdirAll(filepath.Join(dir, systemGroup), 0o755); err != nil {
			return fmt.Errorf("make control group: %w", err)
		}
		// A new group of version 1 has no processors and no memory of its own.
		for _, name := range []string{"cpuset.cpus", "cpuset.mems"} {
			if err := inherit(root, dir, name); err != nil {
				return fmt.Errorf("give control group its %s: %w", name, err)
			}
		}
	}
	return nil
}

// inherit copies a file of root to dir and to its leaf, where root has it and
// they have nothing in theirs.
func inherit(root, dir, name string) error {
	value, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		return nil //nolint:nilerr // version 2, or another controller
	}
	for _, to := range []string{dir, filepath.Join(dir, systemGroup)} {
		if err := os.WriteFile(filepath.Join(to, name), value, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// EnterGroup moves this process, and what it will start, into a node's group.
func (n Network) EnterGroup(node string) error {
	roots, err := hierarchies()
	if err != nil {
		return err
	}
	for _, root := range roots {
		file := filepath.Join(root, n.Group(node), systemGroup, "cgroup.procs")
		if err := os.WriteFile(file, []byte("0"), 0o644); err != nil {
			return fmt.Errorf("enter control group: %w", err)
		}
	}
	return nil
}

// Freeze stops every process of a node where it is, pods included, or lets them
// go on.
func (n Network) Freeze(node string, frozen bool) error {
	roots, err := hierarchies()
	if err != nil {
		return err
	}
	for _, root := range roots {
		if err := freeze(filepath.Join(root, n.Group(node)), frozen); err != nil {
			return fmt.Errorf("freeze or thaw node %s: %w", node, err)
		}
	}
	return nil
}

// freeze writes to whichever of the two files a group has.
func freeze(dir string, frozen bool) error {
	state, flag := "THAWED", "0"
	if frozen {
		state, flag = "FROZEN", "1"
	}
	for name, value := range map[string]string{"freezer.state": state, "cgroup.freeze": flag} {
		file := filepath.Join(dir, name)
		if _, err := os.Stat(file); err != nil {
			continue
		}
		if err := os.WriteFile(file, []byte(value), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// found lists the directories of the groups of this network that which accepts,
// by the name of their node.
func (n Network) found(which func(node string) bool) ([]string, error) {
	roots, err := hierarchies()
	if err != nil {
		return nil, err
	}
	var out []string
	for _, root := range roots {
		entries, err := os.ReadDir(root)
		if err != nil {
			return nil, fmt.Errorf("list control groups: %w", err)
		}
		for _, entry := range entries {
			node, ok := strings.CutPrefix(entry.Name(), n.groupPrefix())
			if ok && which(node) {
				out = append(out, filepath.Join(root, entry.Name()))
			}
		}
	}
	return out, nil
}

// killLimit is how long the kernel may take to end processes that were killed.
const killLimit = 20 * time.Second

// removeGroups kills what is in the groups and removes them.
func removeGroups(dirs []string) error {
	deadline := time.Now().Add(killLimit)
	for {
		err := sweep(dirs)
		if err == nil || time.Now().After(deadline) {
			return err
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// sweep does one round: it thaws, kills, and removes what is empty.
func sweep(dirs []string) error {
	var errs []error
	for _, dir := range dirs {
		_ = freeze(dir, false) // a frozen process does not die
		inner := below(dir)
		for _, group := range inner {
			kill(group)
		}
		for _, group := range slices.Backward(inner) {
			if err := os.Remove(group); err != nil && !errors.Is(err, fs.ErrNotExist) {
				errs = append(errs, fmt.Errorf("remove control group: %w", err))
				break
			}
		}
	}
	if len(errs) == 0 {
		return nil
	}
	return errs[0]
}

// below lists a group and all groups in it, each before those that it holds.
func below(dir string) []string {
	var out []string
	_ = filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() {
			out = append(out, path)
		}
		return nil
	})
	return out
}

// kill kills the processes of one group.
func kill(dir string) {
	data, err := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
	if err != nil {
		return
	}
	for _, line := range strings.Fields(string(data)) {
		if pid, err := strconv.Atoi(line); err == nil && pid > 1 {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
}
