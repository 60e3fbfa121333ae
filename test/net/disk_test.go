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

// checkFullDisk fills the disk under the hub: a write is refused and nothing moves;
// with room again it recovers by itself, with all that was acknowledged.
func checkFullDisk(t *testing.T, f *federation) {
	before := f.picture(t)
	r := row{fault: "disk full under the hub", begin: time.Now()}
	filler := filepath.Join(f.disk, "filler")
	var acknowledged []string
	refusal := ""
	await(t, patience, func() string {
		fill(t, filler)
		name := fmt.Sprintf("full-%d", len(acknowledged))
		err := f.apply(t, note(name))
		if err != nil {
			refusal = err.Error()
			return ""
		}
		acknowledged = append(acknowledged, name)
		return fmt.Sprintf("%d writes were acknowledged although the disk is full", len(acknowledged))
	})
	t.Logf("%d writes fitted; then: %s", len(acknowledged), refusal)
	throughout(t, 8*time.Second, f.watch.noVerdict)
	f.processes[hub].alive(t)
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	r.healed = time.Now()
	await(t, patience, func() string {
		if err := f.apply(t, note("freed")); err != nil {
			return err.Error()
		}
		return ""
	})
	r.note = fmt.Sprintf("writes accepted %s after there is room; ", since(r.healed, time.Now()))
	f.awaitNotes(t, append(acknowledged, "freed"))
	r.restored = f.awaitSteady(t)
	if wrong := f.watch.noVerdict(); wrong != "" {
		t.Error(wrong)
	}
	if after := f.picture(t); after != before {
		t.Errorf("it moved:\n%s\nwas before:\n%s", after, before)
	}
	r.note += f.states()
	*f.rows = append(*f.rows, r)
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
