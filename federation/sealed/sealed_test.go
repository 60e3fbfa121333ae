package sealed_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/federation/sealed"
	federationv1 "github.com/hansa-io/hansa/federation/v1"
	"github.com/hansa-io/hansa/messaging/nats/seal"
)

const password = "correct-horse"

// side is one agent's key.
type side struct {
	public string
	seed   []byte
}

func newSide(t testing.TB) side {
	t.Helper()
	public, seed, err := seal.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	return side{public, seed}
}

func (s side) open(box federation.Sealed) ([]byte, error) { return seal.Open(box, s.seed) }

func secret(name string) federation.Object {
	data := base64.StdEncoding.EncodeToString([]byte(password))
	applied := fmt.Sprintf(`{\"data\":{\"password\":\"%s\"}}`, data)
	return federation.Object{APIVersion: "v1", Kind: "Secret", Namespace: "shop", Name: name, Raw: []byte(fmt.Sprintf(
		`{"apiVersion":"v1","kind":"Secret","metadata":{"name":%q,"namespace":"shop","annotations":{"kubectl.kubernetes.io/last-applied-configuration":"%s"}},"data":{"password":%q},"stringData":{"plain":%q}}`,
		name, applied, data, password))}
}

func work(objects ...federation.Object) federation.Work {
	return federation.Work{
		Workload: federation.Key{Namespace: "shop", Name: "web"}, Member: "tokyo", Epoch: 3, WorkloadRevision: 7, Replicas: 2,
		Continuity: federation.AtMostOne, Objects: objects,
	}
}

var deployment = federation.Object{APIVersion: "apps/v1", Kind: "Deployment", Namespace: "shop", Name: "web", Raw: []byte(`{"kind":"Deployment"}`)}

func sealedFor(t testing.TB, w federation.Work, s side) federation.Work {
	t.Helper()
	out, err := sealed.Seal(w, s.public, seal.Seal)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestRoundTrip(t *testing.T) {
	tokyo := newSide(t)
	for _, c := range []struct {
		name   string
		work   federation.Work
		sealed int // objects
	}{
		{"nothing", work(), 0},
		{"no Secret", work(deployment), 0},
		{"one", work(secret("db")), 1},
		{"among others", work(secret("db"), deployment, secret("tls")), 2},
		{"a kind in another case", work(federation.Object{APIVersion: "v1", Kind: "secret", Name: "x", Raw: []byte(`{}`)}), 1},
		{"another group's Secret", work(federation.Object{APIVersion: "example.org/v1", Kind: "Secret", Name: "x", Raw: []byte(`{}`)}), 0},
		{"a removal", federation.Work{Workload: federation.Key{Namespace: "shop", Name: "web"}, Member: "tokyo", Removed: true}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := slices.Clone(c.work.Objects)
			wire, err := federationv1.DecodeWork(federationv1.EncodeWork(sealedFor(t, c.work, tokyo)))
			if err != nil {
				t.Fatal(err)
			}
			closed := 0
			for _, o := range wire.Objects {
				if len(o.Raw) == 0 {
					closed++
				}
			}
			if closed != c.sealed || (wire.Sealed.Box != nil) != (c.sealed > 0) {
				t.Errorf("%d objects are sealed, want %d", closed, c.sealed)
			}
			if !reflect.DeepEqual(c.work.Objects, before) {
				t.Error("sealing changed the work that was given")
			}
			got, err := sealed.Open(wire, "tokyo", tokyo.open)
			if err != nil || !reflect.DeepEqual(got, c.work) {
				t.Errorf("got %+v, %v", got, err)
			}
		})
	}
}

// TestMessageTellsNothing: neither the message nor what is compressed in it has the
// secret, its base64 or a hash of it.
func TestMessageTellsNothing(t *testing.T) {
	tokyo := newSide(t)
	w := work(deployment, secret("db"))
	message := federationv1.EncodeWork(sealedFor(t, w, tokyo))
	parts := [][]byte{[]byte(password), []byte(base64.StdEncoding.EncodeToString([]byte(password))), []byte("last-applied"), []byte("stringData")}
	for _, plain := range [][]byte{[]byte(password), w.Objects[1].Raw} {
		sum := sha256.Sum256(plain)
		parts = append(parts, sum[:8], []byte(fmt.Sprintf("%x", sum[:8])))
	}
	inside, err := federationv1.DecodeWork(message)
	if err != nil || len(inside.Objects) != 2 {
		t.Fatalf("got %+v, %v", inside, err)
	}
	var objects []byte // what is compressed in the message
	for _, o := range inside.Objects {
		objects = append(append(objects, o.ID()...), o.Raw...)
	}
	for _, text := range [][]byte{message, objects} {
		for _, part := range parts {
			if bytes.Contains(text, part) {
				t.Errorf("the message has %q", part)
			}
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	tokyo, osaka := newSide(t), newSide(t)
	whole := sealedFor(t, work(deployment, secret("db"), secret("tls")), tokyo)
	foreign := func(change func(*federation.Work)) federation.Sealed {
		w := work(deployment, secret("db"), secret("tls"))
		change(&w)
		return sealedFor(t, w, tokyo).Sealed
	}
	const names = "v1/Secret shop/db and 1 more cannot be opened: "
	for _, c := range []struct {
		name   string
		change func(*federation.Work)
		text   string
	}{
		{"altered", func(w *federation.Work) { w.Sealed.Box[60] ^= 1 }, names + "the ciphertext was altered, or sealed to another key than it says"},
		{"of another member's key", func(w *federation.Work) {
			w.Sealed = sealedFor(t, work(deployment, secret("db"), secret("tls")), osaka).Sealed
		}, names + "the ciphertext was altered, or sealed to another key than it says"},
		{"of another member", func(w *federation.Work) {
			w.Sealed = foreign(func(o *federation.Work) { o.Member = "osaka" })
		}, names + "what is sealed is of member \"osaka\": the store was tampered with"},
		{"of another workload", func(w *federation.Work) {
			w.Sealed = foreign(func(o *federation.Work) { o.Workload.Name = "api" })
		}, names + "what is sealed is of workload shop/api: the store was tampered with"},
		{"of an older epoch", func(w *federation.Work) {
			w.Sealed = foreign(func(o *federation.Work) { o.Epoch = 2 })
		}, names + "what is sealed is of epoch 2 and revision 7, the work of 3 and 7: the store was tampered with"},
		{"of an older revision", func(w *federation.Work) {
			w.Sealed = foreign(func(o *federation.Work) { o.WorkloadRevision = 6 })
		}, names + "what is sealed is of epoch 3 and revision 6, the work of 3 and 7: the store was tampered with"},
		{"of other objects", func(w *federation.Work) {
			w.Sealed = foreign(func(o *federation.Work) { o.Objects[2].Name = "api" })
		}, names + "v1/Secret shop/api is sealed in place of v1/Secret shop/tls: the store was tampered with"},
		{"of fewer objects", func(w *federation.Work) {
			w.Sealed = foreign(func(o *federation.Work) { o.Objects = o.Objects[:2] })
		}, names + "1 objects are sealed, and 2 are named: the store was tampered with"},
		{"taken away", func(w *federation.Work) { w.Sealed = federation.Sealed{} }, names + "the ciphertext is missing: the store was tampered with"},
		{"beside plain Secrets", func(w *federation.Work) { w.Objects = []federation.Object{secret("db")} }, "something is sealed beside the objects"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := whole
			w.Objects, w.Sealed.Box = slices.Clone(w.Objects), bytes.Clone(w.Sealed.Box)
			c.change(&w)
			got, err := sealed.Open(w, "tokyo", tokyo.open)
			if err == nil || !strings.HasPrefix(err.Error(), c.text) || strings.Contains(err.Error(), "\n") {
				t.Errorf("got  %v\nwant %s", err, c.text)
			}
			if got.Objects != nil {
				t.Error("half of a work that cannot be opened came back")
			}
		})
	}
}

func TestSealRefuses(t *testing.T) {
	w, err := sealed.Seal(work(secret("db")), "nonsense", seal.Seal)
	if err == nil || !strings.HasPrefix(err.Error(), `v1/Secret shop/db cannot be sealed for tokyo: seal: "nonsense" is not a public curve key`) || w.Objects != nil {
		t.Errorf("got %+v, %v", w, err)
	}
}

// FuzzOpen: whatever an attacker seals to the member's own key, the agent refuses it or
// gets the objects that the work names.
func FuzzOpen(f *testing.F) {
	w := work(deployment, secret("db"))
	f.Add(federationv1.EncodeSecrets(federation.Secrets{
		Member: "tokyo", Workload: w.Workload, Epoch: w.Epoch, WorkloadRevision: w.WorkloadRevision, Objects: w.Objects[1:],
	}))
	f.Add([]byte(nil))
	f.Add([]byte("xkv1"))
	closed := slices.Clone(w.Objects)
	closed[1].Raw = nil
	w.Objects, w.Sealed = closed, federation.Sealed{Box: []byte{1}}
	f.Fuzz(func(t *testing.T, plain []byte) {
		got, err := sealed.Open(w, "tokyo", func(federation.Sealed) ([]byte, error) {
			if len(plain) == 0 {
				return nil, errors.New("nothing")
			}
			return plain, nil
		})
		switch {
		case err != nil && got.Objects != nil:
			t.Error("refused, and returned all the same")
		case err == nil && (len(got.Objects) != 2 || got.Objects[1].ID() != closed[1].ID() || len(got.Objects[1].Raw) == 0):
			t.Errorf("got %+v", got.Objects)
		}
	})
}
