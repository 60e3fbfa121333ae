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

// checkLowDisk takes the room under the hub down to below its floor: desired state is
// refused in one line that says where to make room, nothing moves, and the hub goes on.
// With room again writes are accepted, and the bus was not started again.
func checkLowDisk(t *testing.T, f *federation) {
	before := f.picture(t)
	r := row{fault: "disk low under the hub", begin: time.Now()}
	filler := filepath.Join(f.disk, "filler")
	f.leave(t, filler, minFree/2)
	await(t, patience, func() string {
		err := f.apply(t, note("low"))
		switch {
		case err == nil:
			return "a write is accepted below the floor"
		case !strings.Contains(err.Error(), "below the floor of") || !strings.Contains(err.Error(), "make room on "+f.disk):
			return err.Error()
		}
		return ""
	})
	throughout(t, 4*time.Second, func() string {
		var status struct{ Full string }
		if err := f.get("/v1/status", &status); err != nil || status.Full == "" {
			return fmt.Sprintf("the gateway says %+v, %v", status, err)
		}
		return f.noVerdict()
	})
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	r.healed = time.Now()
	await(t, patience, func() string { return failure(f.apply(t, note("room"))) })
	f.awaitNotes(t, []string{"room"})
	r.restored = f.awaitSteady(t)
	if strings.Contains(f.processes[hub].tail(1<<20), "the bus was started again") {
		t.Error("the bus was started again, although its store has not failed")
	}
	f.checkUnmoved(t, before, false)
	r.note = "desired state is refused, nothing else; " + f.states()
	*f.rows = append(*f.rows, r)
}

// checkFullDisk fills the disk under the hub so that not even a lease can be written:
// a write is refused and nothing moves. With room again all that was acknowledged is
// there, and writes are accepted, without anybody starting anything.
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
	throughout(t, 8*time.Second, func() string {
		fill(t, filler) // what the store gives back when it compacts
		return f.noVerdict()
	})
	f.processes[hub].alive(t)
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	r.healed = time.Now()
	await(t, patience, func() string { return failure(f.apply(t, note("freed"))) })
	r.note = "stores by itself after " + since(r.healed, time.Now()) + "; "
	f.awaitNotes(t, append(acknowledged, "freed"))
	r.restored = f.awaitSteady(t)
	f.processes[hub].alive(t)
	if wrong := f.noVerdict(); wrong != "" {
		t.Error(wrong)
	}
	f.checkUnmoved(t, before, true)
	r.note += f.states()
	*f.rows = append(*f.rows, r)
}

func failure(err error) string {
	if err != nil {
		return err.Error()
	}
	return ""
}

// leave writes to the file until only so many bytes are left on the hub's disk.
func (f *federation) leave(t *testing.T, name string, bytes int64) {
	t.Helper()
	var disk syscall.Statfs_t
	if err := syscall.Statfs(f.disk, &disk); err != nil {
		t.Fatal(err)
	}
	size := int64(disk.Bavail)*disk.Bsize - bytes
	if size < 0 {
		t.Fatalf("%d bytes are missing for a disk with %d left", -size, bytes)
	}
	if err := os.WriteFile(name, make([]byte, size), 0o600); err != nil {
		t.Fatal(err)
	}
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
