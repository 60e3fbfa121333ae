package nats

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nkeys"

	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/subject"
)

// What these tests can show and what not. A server in a process of its own takes writes
// as fast as it can and notes each that was acknowledged; at a moment that the seed
// chooses all its threads are stopped, and a copy of what it has stored is started.
//
// TestProcessDeath copies the files as every process sees them: that is a kill -9, or a
// panic, at any moment, also between two writes of one record. It loses nothing that the
// kernel has, so it says nothing about fsync.
//
// TestPowerLoss has the files on ext4 on a loop device and copies the device: what the
// file system has not handed to the device by then is lost, as with the power, and the
// copy is mounted as after it, with the journal. That the test sees a missing fsync is
// shown by a server without SyncAlways. It keeps what was handed to the device and not
// flushed, so it says nothing about a disk that loses its cache, or lies about it; and
// nothing about other file systems. It needs root, mkfs.ext4 and loop devices.
const (
	powerRounds = 6
	powerSeed   = 20260301
	powerLease  = time.Hour
)

// TestProcessDeath: see above.
func TestProcessDeath(t *testing.T) {
	rng := rand.New(rand.NewPCG(powerSeed, 1))
	dir := filepath.Join(t.TempDir(), "0")
	must(t, os.MkdirAll(dir, 0o700))
	acknowledged := acks{}
	for round := range powerRounds {
		w := startLoader(t, dir, false)
		w.stopAfter(t, time.Duration(rng.IntN(500))*time.Millisecond)
		copied := filepath.Join(t.TempDir(), strconv.Itoa(round+1))
		must(t, os.CopyFS(copied, os.DirFS(dir)))
		w.kill()
		acknowledged.add(w.acknowledged(t))
		if missing := acknowledged.missing(t, copied); len(missing) > 0 {
			t.Fatalf("round %d: of %d records these are missing: %v", round, len(acknowledged), missing)
		}
		dir = copied
	}
	t.Logf("%d records in %d versions", len(acknowledged), acknowledged.versions())
}

// TestPowerLoss: see above.
func TestPowerLoss(t *testing.T) {
	rng := rand.New(rand.NewPCG(powerSeed, 2))
	d := newDevice(t)
	acknowledged := acks{}
	for round := range powerRounds {
		w := startLoader(t, d.dir, false)
		w.stopAfter(t, time.Duration(rng.IntN(800))*time.Millisecond)
		d.cut(t, w)
		acknowledged.add(w.acknowledged(t))
		if missing := acknowledged.missing(t, d.dir); len(missing) > 0 {
			t.Fatalf("round %d: of %d records these are missing: %v", round, len(acknowledged), missing)
		}
	}
	t.Logf("%d records in %d versions", len(acknowledged), acknowledged.versions())
}

// TestPowerLossIsSeen: without fsync the same cut loses records.
func TestPowerLossIsSeen(t *testing.T) {
	d := newDevice(t)
	w := startLoader(t, d.dir, true)
	w.stopAfter(t, 300*time.Millisecond)
	d.cut(t, w)
	acknowledged := acks{}
	acknowledged.add(w.acknowledged(t))
	if missing := acknowledged.missing(t, d.dir); len(missing) == 0 {
		t.Errorf("none of %d records is missing: the test sees no power loss", len(acknowledged))
	}
}

// acks has the last version of each record that was acknowledged, by bucket and key.
type acks map[string]int

func (a acks) add(more acks) {
	for name, version := range more {
		a[name] = max(a[name], version)
	}
}

func (a acks) versions() int {
	n := 0
	for _, version := range a {
		n += version
	}
	return n
}

// missing starts a server on the directory and names the records that it does not have,
// or has in an older version.
func (a acks) missing(t *testing.T, dir string) []string {
	t.Helper()
	w := openAt(t, dir)
	defer w.server.Shutdown()
	hub := w.dial(t, HubRole)
	defer hub.Close()
	var out []string
	for name, version := range a {
		bucket, key, _ := strings.Cut(name, " ")
		b, err := openNamed(t.Context(), hub, bucket)
		var e messaging.Entry
		if err == nil {
			e, err = b.Get(t.Context(), key)
		}
		text, _, _ := strings.Cut(string(e.Value), " ")
		if got, _ := strconv.Atoi(text); err != nil || got < version {
			out = append(out, fmt.Sprintf("%s: version %d is %q, %v", name, version, text, err))
		}
	}
	return out[:min(len(out), 10)]
}

// openNamed opens a bucket of package subject, or the works of an account without making
// them.
func openNamed(ctx context.Context, hub *Conn, name string) (messaging.Bucket, error) {
	account, works := strings.CutPrefix(name, "works/")
	if !works {
		return hub.Bucket(ctx, name)
	}
	return &bucket{conn: hub, stream: subject.WorkBucket(account), prefix: subject.WorkPrefix(account)}, nil
}

// loader is a server in a process of its own that is written to.
type loader struct {
	command *exec.Cmd
	notes   string // the file of what was acknowledged, a line each
}

// startLoader runs this test binary again, as TestPowerWriter.
func startLoader(t *testing.T, dir string, unsynced bool) *loader {
	t.Helper()
	w := &loader{notes: filepath.Join(t.TempDir(), "acknowledged")}
	out, err := os.Create(w.notes)
	must(t, err)
	defer out.Close()
	w.command = exec.Command(os.Args[0], "-test.run", "^TestPowerWriter$", "-test.timeout", "1m")
	w.command.Env = append(os.Environ(), "HANSA_POWER_DIR="+dir, "HANSA_POWER_UNSYNCED="+strconv.FormatBool(unsynced), "TMPDIR="+t.TempDir())
	w.command.Stdout = out
	w.command.Stderr = os.Stderr
	w.command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	must(t, w.command.Start())
	t.Cleanup(w.kill)
	until(t, "the first write", func() bool { return len(w.acknowledged(t)) > 0 })
	return w
}

// stopAfter stops all threads of the process where they are.
func (w *loader) stopAfter(t *testing.T, d time.Duration) {
	t.Helper()
	<-time.After(d)
	must(t, w.command.Process.Signal(syscall.SIGSTOP))
	until(t, "the loader stops", func() bool {
		tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", w.command.Process.Pid))
		must(t, err)
		for _, task := range tasks {
			b, err := os.ReadFile(task)
			_, rest, _ := strings.Cut(string(b), ") ")
			if err != nil || !strings.HasPrefix(rest, "T") {
				return false
			}
		}
		return len(tasks) > 0
	})
}

func (w *loader) kill() {
	_ = w.command.Process.Kill() // it may have ended
	_ = w.command.Wait()         // by that signal
}

// acknowledged reads the whole lines.
func (w *loader) acknowledged(t *testing.T) acks {
	t.Helper()
	b, err := os.ReadFile(w.notes)
	must(t, err)
	out := acks{}
	lines := strings.Split(string(b), "\n")
	for _, line := range lines[:len(lines)-1] {
		name, text, ok := strings.Cut(line, " = ")
		version, err := strconv.Atoi(text)
		if ok && err == nil {
			out[name] = max(out[name], version)
		}
	}
	return out
}

// device is an ext4 file system in a file.
type device struct {
	image, mount, dir string
	lives             int
}

func newDevice(t *testing.T) *device {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root, for a file system of its own")
	}
	d := &device{image: filepath.Join(t.TempDir(), "image")}
	f, err := os.Create(d.image)
	must(t, err)
	must(t, errors.Join(f.Truncate(128<<20), f.Close()))
	if out, err := exec.Command("mkfs.ext4", "-q", d.image).CombinedOutput(); err != nil {
		t.Skipf("needs mkfs.ext4: %v: %s", err, out)
	}
	d.attach(t)
	t.Cleanup(func() { d.detach(t) })
	must(t, os.MkdirAll(d.dir, 0o700))
	return d
}

func (d *device) attach(t *testing.T) {
	t.Helper()
	d.lives++
	d.mount = filepath.Join(t.TempDir(), "mount"+strconv.Itoa(d.lives))
	d.dir = filepath.Join(d.mount, "bus")
	must(t, os.Mkdir(d.mount, 0o700))
	if out, err := exec.Command("mount", "-o", "loop", d.image, d.mount).CombinedOutput(); err != nil {
		d.mount = ""
		t.Skipf("needs loop devices: %v: %s", err, out)
	}
}

func (d *device) detach(t *testing.T) {
	t.Helper()
	if d.mount == "" {
		return
	}
	until(t, "the file system is free", func() bool { return syscall.Unmount(d.mount, 0) == nil })
	d.mount = ""
}

// cut copies what is on the device now, ends the loader, and mounts the copy.
func (d *device) cut(t *testing.T, w *loader) {
	t.Helper()
	in, err := os.Open(d.image)
	must(t, err)
	defer in.Close()
	out, err := os.Create(d.image + ".copy")
	must(t, err)
	_, err = io.Copy(out, in)
	must(t, errors.Join(err, out.Close()))
	w.kill()
	d.detach(t)
	must(t, os.Rename(d.image+".copy", d.image))
	d.attach(t)
}

// TestPowerWriter is the loader: it runs a server and writes until it is killed. It does
// nothing in a run of the tests.
func TestPowerWriter(t *testing.T) {
	dir := os.Getenv("HANSA_POWER_DIR")
	if dir == "" {
		t.Skip("for the other tests of this file")
	}
	w := world{}
	if os.Getenv("HANSA_POWER_UNSYNCED") == "true" {
		w.server = unsynced(t, dir)
		w.servers = []*Server{w.server}
	} else {
		w = openAt(t, dir)
	}
	hub := w.dial(t, HubRole)
	must(t, hub.EnsureBuckets(t.Context()))
	key, err := nkeys.CreateAccount()
	must(t, err)
	account := public(key)
	_, err = hub.WorkBucket(t.Context(), account)
	must(t, err)
	failed := make(chan error)
	for _, name := range []string{subject.Workloads, subject.Members, subject.Assignments, "works/" + account, subject.Leases} {
		b, err := openNamed(t.Context(), hub, name)
		must(t, err)
		go func() { failed <- writeOn(t.Context(), hub, b, name) }()
	}
	t.Fatal(<-failed)
}

// writeOn writes new versions of a few records for ever: assignments in batches, leases
// as leases. Each round goes on from the versions that are there.
func writeOn(ctx context.Context, hub *Conn, b messaging.Bucket, name string) error {
	const keys = 10
	first := 1
	if e, err := b.Get(ctx, "k0"); err == nil {
		text, _, _ := strings.Cut(string(e.Value), " ")
		first, _ = strconv.Atoi(text)
	}
	padding := strings.Repeat("x", 700)
	for version := first + 1; ; version++ {
		var writes []messaging.Write
		for k := range keys {
			writes = append(writes, messaging.Write{
				Key: "k" + strconv.Itoa(k), Value: []byte(strconv.Itoa(version) + " " + padding), Expected: messaging.AnyRevision,
			})
		}
		if name == subject.Assignments {
			if _, err := b.WriteAll(ctx, writes); err != nil {
				return err
			}
		}
		for _, w := range writes {
			var err error
			switch name {
			case subject.Assignments:
			case subject.Leases:
				_, err = hub.Acquire(ctx, w.Key, w.Value, powerLease, messaging.AnyRevision)
			default:
				_, err = b.Put(ctx, w.Key, w.Value, messaging.AnyRevision)
			}
			if err != nil {
				return err
			}
			fmt.Printf("%s %s = %d\n", name, w.Key, version)
		}
	}
}

// unsynced is a server as it is by default.
func unsynced(t *testing.T, dir string) *Server {
	t.Helper()
	pair := openAt(t, filepath.Join(t.TempDir(), "other")).server.opts
	o := ServerOptions{Dir: dir, Listen: "127.0.0.1:0", CertFile: pair.CertFile, KeyFile: pair.KeyFile}
	keys, err := MakeKeys(KeyDir(dir))
	must(t, err)
	o.Keys = keys
	options, err := o.options()
	must(t, err)
	options.SyncAlways = false
	runs, err := server.NewServer(options)
	must(t, err)
	runs.Start()
	if !runs.ReadyForConnections(10 * time.Second) {
		t.Fatal("the server does not start")
	}
	s := &Server{keys: keys, opts: o, servers: 1}
	s.disk.free.Store(-1)
	s.server.Store(runs)
	return s
}
