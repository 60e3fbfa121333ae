package hub_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/federation/archive"
	"github.com/hansa-io/hansa/federation/hub"
	federationv1 "github.com/hansa-io/hansa/federation/v1"
	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/nats"
	"github.com/hansa-io/hansa/messaging/subject"
)

// backup asks the hub for a backup, each part twice, as after a lost answer.
func (w *world) backup() []byte {
	w.t.Helper()
	var out []byte
	session := ""
	for chunk := uint64(0); ; chunk++ {
		reply := w.backupPart(federation.BackupRequest{Session: session, Chunk: chunk})
		session = reply.Session
		if again := w.backupPart(federation.BackupRequest{Session: session, Chunk: chunk}); !bytes.Equal(again.Data, reply.Data) {
			w.t.Fatalf("part %d is another one when it is asked for again", chunk)
		}
		out = append(out, reply.Data...)
		if reply.Last {
			return out
		}
	}
}

func (w *world) backupPart(r federation.BackupRequest) federation.BackupReply {
	w.t.Helper()
	b, err := w.ask(subject.HubBackup, federationv1.EncodeBackupRequest(r))
	must(w.t, err)
	reply, err := federationv1.DecodeBackupReply(b)
	must(w.t, err)
	return reply
}

func (w *world) restoreStep(r federation.RestoreRequest) (federation.RestoreReply, error) {
	w.t.Helper()
	b, err := w.ask(subject.HubRestore, federationv1.EncodeRestoreRequest(r))
	if err != nil {
		return federation.RestoreReply{}, err
	}
	return federationv1.DecodeRestoreReply(b)
}

// upload sends a backup in parts and asks to do with it what action says.
func (w *world) upload(file []byte, action federation.RestoreAction) (federation.RestoreReply, error) {
	w.t.Helper()
	open, err := w.restoreStep(federation.RestoreRequest{Action: federation.RestoreOpen})
	must(w.t, err)
	const part = 1000
	for at := 0; at < len(file); at += part {
		for range 2 {
			_, err := w.restoreStep(federation.RestoreRequest{
				Action: federation.RestoreWrite, Session: open.Session, Offset: int64(at), Data: file[at:min(at+part, len(file))],
			})
			must(w.t, err)
		}
	}
	return w.restoreStep(federation.RestoreRequest{Action: action, Session: open.Session, Who: "anna"})
}

// restored waits until the backup of that digest was restored and a new term has begun,
// which it returns.
func (w *world) restored(commit federation.RestoreReply) uint64 {
	w.t.Helper()
	deadline := time.After(patience)
	for {
		reply := w.watch(commit.Digest)
		if reply.State == federation.RestoreDone && reply.Term > commit.Term {
			return reply.Term
		}
		select {
		case <-deadline:
			w.t.Fatalf("the restore is %q in term %d", reply.State, reply.Term)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// watch asks how the restore goes; a question to a term that ends gets no answer, and
// the zero value is returned.
func (w *world) watch(digest string) (reply federation.RestoreReply) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), time.Second)
	defer cancel()
	b, err := w.asks.Request(ctx, subject.Hub(subject.HubRestore), federationv1.EncodeRestoreRequest(federation.RestoreRequest{
		Action: federation.RestoreWatch, Digest: digest,
	}))
	if err != nil {
		return reply
	}
	reply, err = federationv1.DecodeRestoreReply(b)
	must(w.t, err)
	return reply
}

// lines writes changes for a comparison: "workload shop/web changed".
func lines(c federation.Changes) []string {
	var out []string
	for _, x := range c.List {
		out = append(out, x.Kind+" "+x.Name+" "+x.Do)
	}
	return out
}

var (
	cart  = federation.Key{Namespace: "shop", Name: "cart"}
	extra = federation.Key{Namespace: "shop", Name: "extra"}
)

func (w *world) stands(k federation.Key, replicas int64) federation.Assignment {
	w.t.Helper()
	a := await(w, assignments, subject.WorkloadKey(k), func(a federation.Assignment) bool { return total(a) == replicas })
	w.ready(a)
	return a
}

func (w *world) remove(k federation.Key) {
	w.t.Helper()
	b, err := w.asks.Bucket(w.t.Context(), subject.Workloads)
	must(w.t, err)
	must(w.t, b.Delete(w.t.Context(), subject.WorkloadKey(k), messaging.AnyRevision))
	w.gone(subject.Assignments, subject.WorkloadKey(k))
}

// TestRestore: while agents run, the state of a backup is put back. What was deleted
// runs again, what was changed is as it was, and what the backup does not know goes on
// running, under a hub that tells so.
func TestRestore(t *testing.T) {
	w := newWorld(t)
	w.startHub("hub")
	agents := map[string]*agent{"tokyo": w.newAgent("tokyo", "ap-northeast"), "frankfurt": w.newAgent("frankfurt", "eu-central")}
	w.healthy("tokyo", "frankfurt")
	rev := w.put(workload(web, 4), 0)
	w.put(workload(cart, 2), 0)
	w.stands(web, 4)
	w.stands(cart, 2)
	file := w.backup()

	w.put(workload(web, 1), rev)
	w.stands(web, 1)
	w.remove(cart)
	w.put(workload(extra, 2), 0)
	w.stands(extra, 2)
	agents["osaka"] = w.newAgent("osaka", "ap-northeast")
	w.healthy("osaka")
	before := await(w, assignments, subject.WorkloadKey(web), func(federation.Assignment) bool { return true })

	want := []string{
		"workload shop/cart added", "workload shop/extra removed", "workload shop/web changed", "member osaka removed",
		"assignment shop/cart added", "assignment shop/extra removed", "assignment shop/web changed",
	}
	plan, err := w.upload(file, federation.RestorePlan)
	must(t, err)
	if got := lines(plan.Changes); !slices.Equal(got, want) || plan.Changes.Version != "v1.2.3" {
		t.Errorf("the plan of %q is\n%s\nwant\n%s", plan.Changes.Version, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	commit, err := w.upload(file, federation.RestoreCommit)
	must(t, err)
	w.restored(commit)

	w.stands(cart, 2)
	after := w.stands(web, 4)
	if after.Epoch <= before.Epoch {
		t.Errorf("web has epoch %d, and had %d", after.Epoch, before.Epoch)
	}
	for _, s := range after.Members {
		orders := agents[s.Member].of(web)
		if last := orders[len(orders)-1]; last.Epoch != after.Epoch || last.Replicas != s.Replicas || last.Removed {
			t.Errorf("the last order of %s is %+v, its share %+v", s.Member, last, s)
		}
	}
	w.gone(subject.Workloads, subject.WorkloadKey(extra))
	w.gone(subject.Assignments, subject.WorkloadKey(extra))
	w.gone(subject.Members, subject.MemberKey("osaka"))
	ran := 0
	for name, a := range agents {
		for _, order := range a.of(extra) {
			if ran++; order.Removed {
				t.Errorf("%s was told to remove what the backup does not know", name)
			}
		}
	}
	if ran == 0 {
		t.Error("nobody ran the workload that the backup does not know")
	}
	_, err = askUntilHeard(t.Context(), agents["osaka"].conn, subject.MemberUp(subject.UpHello), federationv1.EncodeHello(federation.Hello{Member: "osaka", ClusterID: agents["osaka"].cluster}))
	if r := asRemote(t, err); r.Kind != messaging.Denied || !strings.Contains(r.Text, `make a token with "hansa token create --member osaka"`) {
		t.Errorf("osaka is told: %s", r.Text)
	}
}

// of lists the orders that the agent got for the workload.
func (a *agent) of(k federation.Key) []federation.Work {
	return slices.DeleteFunc(a.history(), func(w federation.Work) bool { return w.Workload != k })
}

// TestRestoreRefuses: what is no whole backup, or one of another federation, changes
// nothing and begins no restore.
func TestRestoreRefuses(t *testing.T) {
	w := newWorld(t)
	w.startHub("hub")
	w.put(workload(web, 4), 0)
	file := w.backup()
	var foreign bytes.Buffer
	out, err := archive.NewWriter(&foreign, archive.Header{})
	must(t, err)
	must(t, out.Record(archive.Record{Bucket: archive.Keys, Key: "operator.nk", Value: []byte("another")}))
	must(t, out.Close())
	damaged := bytes.Clone(file)
	damaged[len(damaged)/2] ^= 1
	for name, c := range map[string]struct {
		file []byte
		want string
	}{
		"cut":     {file[:len(file)-1], "not a whole backup"},
		"damaged": {damaged, "not a whole backup"},
		"empty":   {nil, "it does not begin like one"},
		"foreign": {foreign.Bytes(), "of another federation"},
	} {
		_, err := w.upload(c.file, federation.RestoreCommit)
		if r := asRemote(t, err); !strings.Contains(r.Text, c.want) {
			t.Errorf("%s: %s: %s", name, r.Kind, r.Text)
		}
	}
	if n := len(w.entries(subject.Workloads)); n != 1 {
		t.Errorf("%d workloads are left", n)
	}
	_, err = w.restoreStep(federation.RestoreRequest{Action: "rewind"})
	refusal(t, err, messaging.Invalid, `restore: unknown step "rewind"`)
}

// TestInterruptedRestore: a hub that finds that a restore was begun, and has not its
// backup, decides nothing and says what it wants; with the backup it goes on.
func TestInterruptedRestore(t *testing.T) {
	w := newWorld(t)
	first := w.startHub("hub")
	w.newAgent("tokyo", "ap-northeast")
	w.healthy("tokyo")
	w.put(workload(web, 4), 0)
	w.stands(web, 4)
	file := w.backup()
	first.stop()
	leases, err := w.records.Bucket(t.Context(), subject.Leases)
	must(t, err)
	_, err = leases.Put(t.Context(), "restore", []byte(`{"digest":"00"}`), 0)
	must(t, err)
	w.put(workload(cart, 2), 0)

	w.startHub("hub")
	_, err = w.ask(subject.HubMember, federationv1.EncodeMemberChange(federation.MemberChange{Member: "tokyo", Action: "cordon"}))
	if r := asRemote(t, err); r.Kind != messaging.Unavailable || !strings.Contains(r.Text, "hansa restore FILE") {
		t.Errorf("it answers: %s: %s", r.Kind, r.Text)
	}
	commit, err := w.upload(file, federation.RestoreCommit)
	must(t, err)
	w.restored(commit)
	w.healthy("tokyo")
	if _, there := w.entries(subject.Assignments)[subject.WorkloadKey(cart)]; there {
		t.Error("something was decided on the way")
	}
	w.gone(subject.Workloads, subject.WorkloadKey(cart))
	w.stands(web, 4)
}

// TestRestoreElsewhere: a backup waits at a hub that does not lead. The one that leads
// stops to decide, and makes way.
func TestRestoreElsewhere(t *testing.T) {
	w := newWorld(t)
	w.startHub("first")
	w.put(workload(web, 4), 0)
	await(w, assignments, subject.WorkloadKey(web), func(federation.Assignment) bool { return true })
	file := w.backup()
	w.put(workload(cart, 2), 0)
	await(w, assignments, subject.WorkloadKey(cart), func(federation.Assignment) bool { return true })
	before := w.watch("").Term
	w.data = t.TempDir()
	must(t, os.WriteFile(filepath.Join(w.data, hub.PutBack), file, 0o600))
	w.startHub("second")
	w.gone(subject.Workloads, subject.WorkloadKey(cart))
	sum, err := archive.Verify(bytes.NewReader(file))
	must(t, err)
	w.restored(federation.RestoreReply{Digest: sum.Digest, Term: before})
	w.gone(subject.Assignments, subject.WorkloadKey(cart))
	if _, err := os.Stat(filepath.Join(w.data, hub.PutBack)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the backup is left: %v", err)
	}
}

// TestLostHub: everything of the hub is lost. A new one with the keys and the records of
// a backup has the agents back with the credentials that they have; what they run stays,
// also what was decided after the backup.
func TestLostHub(t *testing.T) {
	w := newWorld(t)
	old := w.startHub("hub")
	agents := map[string]*agent{"tokyo": w.newAgent("tokyo", "ap-northeast"), "frankfurt": w.newAgent("frankfurt", "eu-central")}
	w.healthy("tokyo", "frankfurt")
	rev := w.put(workload(web, 4), 0)
	w.stands(web, 4)
	file := w.backup()
	w.put(workload(web, 6), rev)
	w.stands(web, 6)
	orders := map[string]int{}
	for name, a := range agents {
		orders[name] = len(a.history())
	}
	term := uint64(old.count(t)["hansa_hub_term"])
	old.stop()
	w.replace(file)

	w.startHub("hub")
	for name := range agents {
		await(w, healths, subject.MemberKey(name), func(r federation.HealthRecord) bool { return r.Health == federation.Healthy })
	}
	after := await(w, assignments, subject.WorkloadKey(web), func(a federation.Assignment) bool { return total(a) == 4 })
	for _, s := range after.Members {
		w.obeys(agents[s.Member], web, s.Replicas)
	}
	for name, a := range agents {
		for _, order := range a.history()[orders[name]:] {
			if order.Removed {
				t.Errorf("%s was told to remove %s", name, order.Workload)
			}
		}
	}
	if _, err := os.Stat(filepath.Join(w.data, hub.PutBack)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the backup, with its keys, is left: %v", err)
	}
	watch, err := w.restoreStep(federation.RestoreRequest{Action: federation.RestoreWatch})
	must(t, err)
	if watch.Term <= term {
		t.Errorf("term %d after term %d", watch.Term, term)
	}
}

// replace ends the bus with all that it has stored, and starts one in its place that has
// nothing but the keys of the backup.
func (w *world) replace(file []byte) {
	w.t.Helper()
	address, err := url.Parse(w.server.URL())
	must(w.t, err)
	w.server.Shutdown()
	keys := map[string][]byte{}
	r, err := archive.NewReader(bytes.NewReader(file))
	must(w.t, err)
	defer r.Close()
	for record, err := r.Next(); err == nil; record, err = r.Next() {
		if record.Bucket == archive.Keys {
			keys[record.Key] = record.Value
		}
	}
	w.options.Dir, w.options.Listen, w.data = filepath.Join(w.t.TempDir(), "bus"), address.Host, w.t.TempDir()
	must(w.t, os.MkdirAll(w.options.Dir, 0o700))
	must(w.t, nats.KeyFiles(nats.KeyDir(w.options.Dir)).Import(keys))
	must(w.t, os.WriteFile(filepath.Join(w.data, hub.PutBack), file, 0o600))
	w.server, err = nats.StartServer(w.options)
	must(w.t, err)
	w.records, w.asks = w.dial(nats.HubRole), w.dial(nats.GatewayRole)
	w.records.MadeAnew(federation.Revision(time.Now().UnixMicro()))
	must(w.t, w.records.EnsureBuckets(w.t.Context()))
	w.serveGateways()
}

// obeys waits until the last order that the agent got gives it so many replicas.
func (w *world) obeys(a *agent, k federation.Key, replicas int64) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	for {
		orders := a.of(k)
		if n := len(orders); n > 0 && orders[n-1].Replicas == replicas {
			return
		}
		select {
		case <-ctx.Done():
			w.t.Fatalf("%s was ordered %s", a.name, fmt.Sprintf("%+v", orders[len(orders)-1]))
		case <-time.After(20 * time.Millisecond):
		}
	}
}
