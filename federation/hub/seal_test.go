package hub_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/federation/hub"
	"github.com/hansa-io/hansa/federation/sealed"
	federationv1 "github.com/hansa-io/hansa/federation/v1"
	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/nats/seal"
	"github.com/hansa-io/hansa/messaging/subject"
)

// sealKeys are the keys of one agent, the newest last.
type sealKeys struct {
	t      testing.TB
	mu     sync.Mutex
	public []string
	seeds  map[string][]byte
}

func newSealKeys(t testing.TB) *sealKeys {
	k := &sealKeys{t: t, seeds: map[string][]byte{}}
	k.renew()
	return k
}

func (k *sealKeys) renew() string {
	public, seed, err := seal.NewKey()
	must(k.t, err)
	k.mu.Lock()
	defer k.mu.Unlock()
	k.public, k.seeds[public] = append(k.public, public), seed
	return public
}

func (k *sealKeys) newest() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.public[len(k.public)-1]
}

func (k *sealKeys) open(s federation.Sealed) ([]byte, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return seal.Open(s, k.seeds[s.Recipient])
}

// opened is the work as it can be landed, or as it came when it cannot be opened.
func (a *agent) opened(w federation.Work) federation.Work {
	if open, err := sealed.Open(w, a.name, a.keys.open); err == nil {
		return open
	}
	return w
}

const password = "correct-horse-battery"

// withSecret adds a Secret to a workload, in both of its forms.
func withSecret(load federation.Workload) federation.Workload {
	load.Objects = append(load.Objects, federation.Object{
		APIVersion: "v1", Kind: "Secret", Namespace: load.Key.Namespace, Name: "db", Raw: []byte(fmt.Sprintf(
			`{"apiVersion":"v1","kind":"Secret","metadata":{"name":"db","namespace":%q},"data":{"password":%q},"stringData":{"plain":%q}}`,
			load.Key.Namespace, base64.StdEncoding.EncodeToString([]byte(password)), password)),
	})
	return load
}

// traces are the forms in which the password must be nowhere.
func traces(load federation.Workload) [][]byte {
	out := [][]byte{[]byte(password), []byte(base64.StdEncoding.EncodeToString([]byte(password)))}
	for _, plain := range [][]byte{[]byte(password), load.Objects[len(load.Objects)-1].Raw} {
		sum := sha256.Sum256(plain)
		out = append(out, sum[:8], fmt.Appendf(nil, "%x", sum[:8]))
	}
	return out
}

// message is what lies in a member's bucket of a workload.
func (a *agent) message(k federation.Key) (federation.Work, messaging.Entry) {
	a.w.t.Helper()
	b, err := a.w.records.WorkBucket(a.w.t.Context(), a.account)
	must(a.w.t, err)
	e, err := b.Get(a.w.t.Context(), subject.WorkloadKey(k))
	must(a.w.t, err)
	work, err := federationv1.DecodeWork(e.Value)
	must(a.w.t, err)
	return work, e
}

// got waits until the agent has got so many orders, and returns the last.
func (a *agent) got(n int) federation.Work {
	a.w.t.Helper()
	deadline := time.After(patience)
	for {
		if orders := a.history(); len(orders) >= n {
			return orders[len(orders)-1]
		}
		select {
		case <-deadline:
			a.w.t.Fatalf("%s got %d orders, want %d", a.name, len(a.history()), n)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func readable(w federation.Work) bool {
	return slices.ContainsFunc(w.Objects, func(o federation.Object) bool { return o.IsSecret() && strings.Contains(string(o.Raw), password) })
}

// offer tells the hub the agent's newest key until it takes it.
func (a *agent) offer(sequence uint64, key string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(a.w.t.Context(), patience)
	defer cancel()
	return askUntilHeard(ctx, a.conn, subject.MemberUp(subject.UpSeal), federationv1.EncodeSealOffer(federation.SealOffer{
		Member: a.name, Incarnation: a.life, Sequence: sequence, Key: key,
	}))
}

// settled waits until all works of the member are known to be sealed to the key.
func (w *world) settled(member, key string) {
	w.t.Helper()
	await(w, members, subject.MemberKey(member), func(s federation.MemberSpec) bool { return s.SealKey == key && s.SealedTo == key })
}

var members = record[federation.MemberSpec]{subject.Members, federationv1.DecodeMemberSpec}

// TestSecretsLieSealed: what lies on the bus for a member has nothing of a secret, and
// the member reads it, also after its key was renewed, and after it lost its state.
func TestSecretsLieSealed(t *testing.T) {
	w := newWorld(t)
	h := w.startHub("hub")
	tokyo := w.newAgent("tokyo", "ap-northeast")
	w.healthy("tokyo")
	w.settled("tokyo", tokyo.keys.newest())
	load := withSecret(workload(web, 1))
	w.putSealed(load, 0)
	if !readable(tokyo.got(1)) {
		t.Fatalf("tokyo got %+v", tokyo.got(1))
	}
	work, first := tokyo.message(web)
	if work.Sealed.Recipient != tokyo.keys.newest() || work.Objects[1].Raw != nil {
		t.Errorf("in the bucket: %+v", work)
	}
	w.clean(load, tokyo)

	renewed := tokyo.keys.renew()
	_, err := tokyo.offer(1, renewed)
	must(t, err)
	w.settled("tokyo", renewed)
	if !readable(tokyo.got(2)) {
		t.Errorf("after a renewal tokyo got %+v", tokyo.got(2))
	}
	work, second := tokyo.message(web)
	if work.Sealed.Recipient != renewed || second.Revision <= first.Revision {
		t.Errorf("after a renewal, in the bucket: %+v", work)
	}
	b, err := tokyo.offer(2, renewed)
	must(t, err)
	if reply, err := federationv1.DecodeSealReply(b); err != nil || !reply.Settled {
		t.Errorf("an offer of the present key is answered by %+v, %v", reply, err)
	}

	h.stop()
	w.startHub("next")
	_, err = tokyo.offer(3, renewed)
	must(t, err)
	if _, third := tokyo.message(web); third.Revision != second.Revision {
		t.Error("a hub that starts again sends a work again that did not change")
	}

	tokyo.kill()
	tokyo.keys, tokyo.life = newSealKeys(t), 0
	tokyo.serveAPI()
	tokyo.join()
	before := len(tokyo.history())
	tokyo.start()
	w.settled("tokyo", tokyo.keys.newest())
	for n := before + 1; !readable(tokyo.got(n)); n++ { // the first may be the old one
		if n > before+2 {
			t.Fatalf("after it lost its state tokyo got %+v", tokyo.history()[before:])
		}
	}
	w.clean(load, tokyo)
}

// clean checks the message of the workload, what is compressed in it and in the record
// that it comes from, and every file of the bus.
func (w *world) clean(load federation.Workload, a *agent) {
	w.t.Helper()
	work, entry := a.message(load.Key)
	streams := false
	texts := map[string][]byte{"message": entry.Value}
	stored, err := federationv1.DecodeWorkload(w.entries(subject.Workloads)[subject.WorkloadKey(load.Key)].Value)
	must(w.t, err)
	for _, o := range append(work.Objects, stored.Objects...) {
		texts["objects"] = append(texts["objects"], o.Raw...)
	}
	err = filepath.WalkDir(w.options.Dir, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) || err == nil && d.IsDir() {
			return nil // the bus goes on writing
		}
		if err == nil {
			texts[path], err = os.ReadFile(path)
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		streams = streams || strings.Contains(path, subject.WorkBucket(a.account))
		return err
	})
	must(w.t, err)
	if !streams {
		w.t.Errorf("looked into %d texts: the files of the streams are not where they were", len(texts))
	}
	for name, text := range texts {
		for _, trace := range traces(load) {
			if bytes.Contains(text, trace) {
				w.t.Errorf("%s has %q", name, trace)
			}
		}
	}
}

// TestMemberWithoutSealKey: it gets what has no secrets, and people are told about the rest.
func TestMemberWithoutSealKey(t *testing.T) {
	w := newWorld(t)
	w.startHub("hub")
	old := &agent{
		w: w, name: "tokyo", cluster: "cluster-tokyo", region: "ap-northeast",
		keys: &sealKeys{t: t, public: []string{""}}, runs: map[federation.Key]federation.Work{},
	}
	old.serveAPI()
	old.join()
	old.start()
	w.healthy("tokyo")
	w.putSealed(withSecret(workload(web, 1)), 0)
	w.told("shop/web cannot be handed to tokyo: v1/Secret shop/db cannot be sealed, since the agent of tokyo is too old to have a key for it: update the agent")
	api := federation.Key{Namespace: "shop", Name: "api"}
	w.put(workload(api, 1), 0)
	if got := old.got(1); got.Workload != api {
		t.Errorf("got %+v", got)
	}
	old.keys.seeds = map[string][]byte{}
	_, err := old.offer(1, old.keys.renew()) // it was updated
	must(t, err)
	if got := old.got(2); got.Workload != web || !readable(got) {
		t.Errorf("after its update it got %+v", got)
	}

	_, err = old.offer(2, "nonsense")
	refusal(t, err, messaging.Invalid, `the seal key of tokyo: seal: "nonsense" is not a public curve key`)
	_, err = old.offer(1, old.keys.newest())
	refusal(t, err, messaging.Conflict, "tokyo has offered a newer seal key")
	osaka := w.newAgent("osaka", "ap-northeast")
	osaka.name = "tokyo"
	if _, err = osaka.offer(9, osaka.keys.newest()); asRemote(t, err).Kind != messaging.Denied {
		t.Errorf("one member changes the key of another: %v", err)
	}
	osaka.name = "osaka"
}

// TestRecordSealedToAnotherHub: what this hub cannot read is told, and deletes nothing.
func TestRecordSealedToAnotherHub(t *testing.T) {
	w := newWorld(t)
	h := w.startHub("hub")
	tokyo := w.newAgent("tokyo", "ap-northeast")
	w.healthy("tokyo")
	load := withSecret(workload(web, 1))
	w.putSealed(load, 0)
	tokyo.got(1)
	h.stop()

	foreign, err := sealed.SealRecord(load, federation.SealKeys{Key: newSealKeys(t).newest(), Digest: make([]byte, 32)}, seal.Seal)
	must(t, err)
	foreign.Sealed.Recipient = w.sealing().Keys.Key
	w.put(foreign, w.entries(subject.Workloads)[subject.WorkloadKey(web)].Revision)
	w.startHub("next")
	w.told("the record of shop/web cannot be read, and what runs of it stays as it is: " +
		"v1/Secret shop/db cannot be opened: the ciphertext was altered, or sealed to another key than it says")
	api := federation.Key{Namespace: "shop", Name: "api"}
	w.put(workload(api, 1), 0)
	if got := tokyo.got(2); got.Workload != api {
		t.Errorf("tokyo got %+v", got)
	}
}

// told waits for an event with the text.
func (w *world) told(text string) {
	w.t.Helper()
	b, err := w.records.Bucket(w.t.Context(), subject.Events)
	must(w.t, err)
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	found := errors.New("found")
	err = b.Follow(ctx, "", func(c messaging.Change) error {
		if e, err := federationv1.DecodeEvent(c.Value); err == nil && e.Text == text {
			return found
		}
		return nil
	})
	if !errors.Is(err, found) {
		w.t.Fatalf("no event %q: %v", text, err)
	}
}

// sealing is how hubs on the world's bus seal.
func (w *world) sealing() hub.Sealing {
	w.t.Helper()
	keys, seed, err := w.bus().RecordKeys()
	must(w.t, err)
	return hub.Sealing{Seal: seal.Seal, Keys: keys, Open: func(s federation.Sealed) ([]byte, error) { return seal.Open(s, seed) }}
}

// putSealed writes desired state as a gateway does that has Secrets to write.
func (w *world) putSealed(load federation.Workload, expected federation.Revision) {
	w.t.Helper()
	b, err := w.ask(subject.HubSealKeys, nil)
	must(w.t, err)
	keys, err := federationv1.DecodeSealKeys(b)
	must(w.t, err)
	load, err = sealed.SealRecord(load, keys, seal.Seal)
	must(w.t, err)
	w.put(load, expected)
}
