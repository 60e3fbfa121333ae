package decision

import (
	"testing"
	"time"

	"github.com/hansa-io/hansa/federation"
)

// TestAgentAt: where an agent is follows from its hellos, the last one counts, and only a
// change is written; probes go there from then on, also after another hub began.
func TestAgentAt(t *testing.T) {
	r := newRig(t)
	r.cmdMembers([]string{"tokyo=ap-northeast"})
	hello := func(at string) {
		r.asked++
		r.greeter = r.members["tokyo"]
		r.step(HelloArrived{r.asked, federation.Hello{Member: "tokyo", Incarnation: 1, ClusterID: "id-tokyo", Synced: true, AgentAt: at}})
	}
	stored := func() (federation.MemberSpec, federation.Revision) {
		s := r.store["members:tokyo"]
		return s.value.(federation.MemberSpec), s.revision
	}
	expect := func(at string) federation.Revision {
		t.Helper()
		r.advance(4 * time.Second)
		spec, revision := stored()
		if spec.AgentAt != at || r.probed.AgentAt != at {
			t.Fatalf("it is at %q, the record says %q, and the probe goes to %q", at, spec.AgentAt, r.probed.AgentAt)
		}
		return revision
	}
	hello("127.0.0.1:7601")
	hello("127.0.0.1:7602") // while the first is being written
	first := expect("127.0.0.1:7602")
	traits := r.m.members["tokyo"].traits
	hello("127.0.0.1:7602")
	if again := expect("127.0.0.1:7602"); again != first {
		t.Error("the same address was written twice")
	}
	r.faults = append(r.faults, fault{"members", "conflict"})
	hello("127.0.0.1:7603")
	expect("127.0.0.1:7603")
	if r.m.members["tokyo"].traits != traits {
		t.Error("where an agent is makes a difference to what it is given")
	}
	r.boot()
	expect("127.0.0.1:7603")
	hello("")
	expect("")
}

// TestSealKeyBesideAddress: an agent says both when it starts, and the one need not wait for
// the other to be written.
func TestSealKeyBesideAddress(t *testing.T) {
	r := newRig(t)
	r.cmdMembers([]string{"tokyo=ap-northeast"})
	offer := func(key string) Reply {
		t.Helper()
		r.asked++
		for _, e := range r.timed([]Event{SealKeyOffered{r.asked, federation.SealOffer{Member: "tokyo", Key: key}}}) {
			if reply, ok := e.(Reply); ok {
				return reply
			}
			r.execute(e)
		}
		t.Fatal("no answer")
		return Reply{}
	}
	if reply := offer("key1"); reply.Refusal != nil {
		t.Fatal(reply.Refusal)
	}
	if reply := offer("key1"); reply.Refusal == nil {
		t.Error("a key that is still being written is known")
	}
	r.advance(time.Second)
	r.greeter = r.members["tokyo"]
	r.step(HelloArrived{1000, federation.Hello{Member: "tokyo", Incarnation: 1, ClusterID: "id-tokyo", Synced: true, AgentAt: "127.0.0.1:7601"}})
	if !r.m.members["tokyo"].spec.busy() {
		t.Fatal("the address is not being written")
	}
	if reply := offer("key1"); reply.Refusal != nil {
		t.Errorf("a key that is known: %v", reply.Refusal)
	}
	if reply := offer("key2"); reply.Refusal == nil {
		t.Error("two changes are written at once")
	}
}

// TestRejoinIsHeard: a member that lost its state and joined again begins to count anew,
// and its beats are those of who it is now.
func TestRejoinIsHeard(t *testing.T) {
	r := newRig(t)
	r.cmdMembers([]string{"tokyo=ap-northeast"})
	a := r.members["tokyo"]
	a.inc = 7
	r.advance(4 * time.Second)
	a.inc, a.seq = 1, 0
	r.advance(3 * time.Second)
	if h := r.m.members["tokyo"].verdict.Health; h == federation.Healthy {
		t.Fatal("beats of an earlier life count")
	}
	r.cmdRejoin([]string{"tokyo"})
	r.advance(10 * time.Second)
	if v := r.m.members["tokyo"].verdict; v.Health != federation.Healthy || v.Incarnation != 1 {
		t.Errorf("it is %v as incarnation %d", v.Health, v.Incarnation)
	}
}
