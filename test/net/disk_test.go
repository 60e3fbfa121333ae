package net

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// checkFullDisk fills the disk under the hub: a write is refused and nothing moves.
// With room again all that was acknowledged is there, and writes are accepted: by
// itself, or after the hub was started again; the row says which.
func checkFullDisk(t *testing.T, f *federation) {
	before := f.picture(t)
	r := row{fault: "disk full under the hub", begin: time.Now()}
	filler := filepath.Join(f.disk, "filler")
	var acknowledged []string
	await(t, patience, func() string {
		fill(t, filler)
		name := fmt.Sprintf("full-%d", len(acknowledged))
		if err := f.apply(t, note(name)); err != nil {
			t.Logf("%d writes fitted; then: %v", len(acknowledged), err)
			return ""
		}
		acknowledged = append(acknowledged, name)
		return fmt.Sprintf("%d writes were acknowledged although the disk is full", len(acknowledged))
	})
	throughout(t, 8*time.Second, f.noVerdict)
	f.processes[hub].alive(t)
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	r.healed = time.Now()
	r.note = f.awaitWrites(t)
	f.awaitNotes(t, append(acknowledged, "freed"))
	r.restored = f.awaitSteady(t)
	if wrong := f.noVerdict(); wrong != "" {
		t.Error(wrong)
	}
	f.checkUnmoved(t, before, true)
	r.note += f.states()
	*f.rows = append(*f.rows, r)
}

// awaitWrites waits until the hub stores again. The store of the bus does not try
// again once a write failed; a hub that does not recover is started again.
func (f *federation) awaitWrites(t *testing.T) string {
	t.Helper()
	freed := time.Now()
	write := func() string {
		if err := f.apply(t, note("freed")); err != nil {
			return err.Error()
		}
		return ""
	}
	if repeat(t, 5*time.Second, write) == "" {
		return "recovers by itself after " + since(freed, time.Now()) + "; "
	}
	f.processes[hub].kill()
	f.processes[hub].start(t)
	f.awaitGateway(t)
	await(t, patience, write)
	return "stores only after it was started again; "
}

// fill writes to the file until nothing more fits.
func fill(t *testing.T, name string) {
	t.Helper()
	file, err := os.OpenFile(name, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for _, size := range []int{1 << 20, 1 << 12, 1} {
		block := []byte(strings.Repeat("x", size))
		for err = nil; err == nil; {
			_, err = file.Write(block)
		}
		if !errors.Is(err, syscall.ENOSPC) {
			t.Fatal(err)
		}
	}
}
