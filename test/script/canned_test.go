package script

import (
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	gatewayv1 "github.com/hansa-io/hansa/gateway/v1"
)

const apiVersion = "hansa.io/v1alpha1"

// federation is what the gateway of the tests answers from: three members, of
// which frankfurt is lost, two workloads, and drills that ended in every way.
type federation struct {
	mu         sync.Mutex
	now        time.Time
	members    map[string]*gatewayv1.Member
	workloads  []*gatewayv1.Workload
	operations map[string]*gatewayv1.Operation
	frozen     string
	watches    atomic.Int64 // WatchResolve calls
}

func newFederation() *federation {
	f := &federation{now: time.Now()}
	f.members = map[string]*gatewayv1.Member{
		"tokyo":     f.member("tokyo", "ap-northeast", 35.68, 139.69),
		"frankfurt": f.lost(f.member("frankfurt", "eu-central", 50.11, 8.68)),
		"virginia":  f.member("virginia", "us-east", 38.95, -77.45),
	}
	f.workloads = []*gatewayv1.Workload{f.web(), f.cart()}
	f.operations = map[string]*gatewayv1.Operation{
		"7f3a": f.passed(), "8b21": f.refused(), "9c0d": f.failed(), "a1e2": f.aborted(), "f00d": f.endless(), "5e1f": f.standing(), "fb01": f.missed(), "fe0c": f.fence(),
	}
	return f
}

// ago is a moment before the test began; whole units, so that its age is stable.
func (f *federation) ago(d time.Duration) *timestamppb.Timestamp {
	return timestamppb.New(f.now.Add(-d))
}

// expiry is when a member's credentials expire.
func expiry(name string) *timestamppb.Timestamp {
	switch name {
	case "tokyo":
		return timestamppb.New(time.Date(2126, 1, 2, 3, 4, 5, 0, time.UTC))
	case "virginia":
		return timestamppb.New(time.Date(2020, 1, 2, 3, 4, 5, 0, time.UTC))
	}
	return nil
}

func (f *federation) member(name, region string, latitude, longitude float64) *gatewayv1.Member {
	return &gatewayv1.Member{
		ApiVersion: apiVersion, Kind: "Member",
		Metadata: &gatewayv1.Metadata{Name: name, Labels: map[string]string{"tier": "gold"}, CreationTimestamp: f.ago(3 * time.Hour), ResourceVersion: "4"},
		Spec:     &gatewayv1.MemberSpec{Place: &gatewayv1.Place{Region: region, Zone: region + "-1a", Latitude: latitude, Longitude: longitude}},
		Status: &gatewayv1.MemberStatus{
			Health: "Healthy", Verdict: "Healthy", Since: f.ago(3 * time.Hour), LastBeatAgeMs: 210,
			Nodes: 5, NodesReady: 5, NodeKind: "simulated", NodeKinds: map[string]int32{"simulated": 5}, KubernetesVersion: "v1.37.2", Incarnation: 1, Workloads: 2,
			Capacity:   map[string]string{"cpu": "20", "memory": "80Gi", "pods": "550"},
			Free:       map[string]string{"cpu": "17500m", "memory": "78643200Ki", "pods": "541"},
			ObservedAt: f.ago(4 * time.Minute), CredentialsExpireAt: expiry(name),
		},
	}
}

// lost makes a member silent.
func (f *federation) lost(m *gatewayv1.Member) *gatewayv1.Member {
	m.Status.Health, m.Status.Verdict, m.Status.Stale = "Unreachable", "Unreachable", true
	m.Status.LastBeatAgeMs = 34_000
	m.Status.Reason = "silent 34 s, API probe refused from 2 vantage points"
	m.Status.Since = f.ago(5 * time.Minute)
	return m
}

func (f *federation) web() *gatewayv1.Workload {
	placement, err := structpb.NewStruct(map[string]any{"replicas": map[string]any{"mode": "Divided", "max": 50}})
	if err != nil {
		panic(err) // the value above is a literal
	}
	return &gatewayv1.Workload{
		ApiVersion: apiVersion, Kind: "Workload",
		Metadata: &gatewayv1.Metadata{Name: "web", Namespace: "shop", CreationTimestamp: f.ago(3 * time.Hour), ResourceVersion: "12"},
		Spec: &gatewayv1.WorkloadSpec{Placement: placement, Source: "configs/samples/shop", Objects: []*gatewayv1.ObjectRef{
			{ApiVersion: "apps/v1", Kind: "Deployment", Namespace: "shop", Name: "web"},
		}},
		Status: &gatewayv1.WorkloadStatus{
			State: "Ready", Epoch: 2, Replicas: 5, Ready: 5, DecidedAt: f.ago(4 * time.Minute), Reason: "frankfurt is unreachable",
			Members: []*gatewayv1.WorkloadMember{
				{
					Member: "tokyo", Region: "ap-northeast", Replicas: 3, Ready: 3, State: "Ready", ObservedAt: f.ago(4 * time.Minute), AgeMs: 400,
					Objects: []*gatewayv1.ObjectState{{Id: "apps/v1/Deployment shop/web", State: "Ready"}},
				},
				{Member: "virginia", Region: "us-east", Replicas: 2, Ready: 2, State: "Ready", ObservedAt: f.ago(4 * time.Minute), AgeMs: 300},
			},
		},
	}
}

func (f *federation) cart() *gatewayv1.Workload {
	w := f.web()
	w.Metadata.Name, w.Metadata.ResourceVersion = "cart", "13"
	w.Status = &gatewayv1.WorkloadStatus{
		State: "Unknown", Epoch: 1, Replicas: 2, DecidedAt: f.ago(3 * time.Hour), Reason: "applied", Message: "frankfurt is silent, the dwell runs",
		Members: []*gatewayv1.WorkloadMember{
			{Member: "frankfurt", Region: "eu-central", Replicas: 2, State: "Unknown", Stale: true, AgeMs: 34_000, Shifted: true},
		},
	}
	return w
}

// missed is a failback that did not come to its end.
func (f *federation) missed() *gatewayv1.Operation {
	return &gatewayv1.Operation{
		Id: "fb01", Verb: "failback", Scope: "region=us-east", Mode: "Live", State: "Completed", Verdict: "FAIL",
		Reason: "shop/web: its capacity did not come back", Members: []string{"virginia"}, CreatedAt: f.ago(2 * time.Hour),
	}
}

// standing is a shift of virginia.
func (f *federation) standing() *gatewayv1.Operation {
	return &gatewayv1.Operation{
		Id: "5e1f", Verb: "shift", Scope: "member=virginia", Mode: "Live", State: "Held", Members: []string{"virginia"}, CreatedAt: f.ago(2 * time.Hour),
		Timeline: []*gatewayv1.TimelineEntry{{At: f.ago(2*time.Hour - 100*time.Millisecond), Text: "started by ann"}, {At: f.ago(2*time.Hour - 400*time.Millisecond), Text: "until: hansa operation abort 5e1f, or failback"}},
	}
}

// fence is one of virginia.
func (f *federation) fence() *gatewayv1.Operation {
	o := f.standing()
	o.Id, o.Verb, o.CreatedAt = "fe0c", "fence", f.ago(2*time.Hour)
	return o
}

// start is T0 of every canned drill.
var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func at(seconds float64) *timestamppb.Timestamp {
	return timestamppb.New(start.Add(time.Duration(seconds * float64(time.Second))))
}

func (f *federation) passed() *gatewayv1.Operation {
	return &gatewayv1.Operation{
		Id: "7f3a", Verb: "drill", Scope: "region=eu-central", Mode: "Drill", Level: "L5b", State: "Completed", Verdict: "PASS",
		Members: []string{"frankfurt"}, Initiator: "admin", CreatedAt: f.ago(2 * time.Hour), Hash: "c0ffee", PreviousHash: "beef",
		Marks: map[string]*timestamppb.Timestamp{
			"T0": at(0), "T1": at(0.25), "T2": at(1.0), "T3": at(1.6), "T4": at(1.7), "T5": at(1.75),
			"T7": at(4.1), "T8": at(5.9), "T9": at(6.4), "T11": at(20),
		},
		Achieved:  &gatewayv1.Achieved{RtoMs: 6400, DowntimeMs: 0, DetectMs: 1600},
		Objective: &gatewayv1.Objective{RtoMs: 10_000},
		Workloads: []*gatewayv1.WorkloadReport{{
			Workload: "shop/web", Verdict: "PASS", From: []string{"frankfurt", "tokyo"}, To: []string{"tokyo", "virginia"},
			Achieved: &gatewayv1.Achieved{RtoMs: 6400, DetectMs: 1600}, Objective: &gatewayv1.Objective{RtoMs: 10_000},
			Marks: map[string]*timestamppb.Timestamp{"T7": at(4.1)},
		}},
		Timeline: []*gatewayv1.TimelineEntry{
			{At: at(0), Text: "frankfurt masked"}, {At: at(1.6), Text: "frankfurt unreachable"}, {At: at(6.4), Text: "steady"}, {At: at(20), Text: "restored"},
		},
	}
}

func (f *federation) refused() *gatewayv1.Operation {
	return &gatewayv1.Operation{
		Id: "8b21", Verb: "drill", Scope: "region=us-east", Mode: "Drill", Level: "L5b", State: "Refused", CreatedAt: f.ago(2 * time.Hour),
		Reason: "G2: the loss of us-east leaves 3 replicas of shop/web without room", Members: []string{"virginia"},
	}
}

func (f *federation) failed() *gatewayv1.Operation {
	o := f.passed()
	o.Id, o.Scope, o.Verdict, o.Reason = "9c0d", "region=ap-northeast", "FAIL", "recovery took 12.5 s, objective 10 s"
	o.Members = []string{"tokyo"}
	o.Achieved.RtoMs = 12_500
	o.Workloads[0].Verdict, o.Workloads[0].Reason, o.Workloads[0].Achieved.RtoMs = "FAIL", "12.5 s, objective 10 s", 12_500
	return o
}

// endless never ends by itself.
func (f *federation) endless() *gatewayv1.Operation {
	return &gatewayv1.Operation{
		Id: "f00d", Verb: "drill", Scope: "zone=us-east-1a", Mode: "Drill", Level: "L5b", State: "Held", CreatedAt: f.ago(2 * time.Hour),
		Members: []string{"virginia"}, Marks: map[string]*timestamppb.Timestamp{"T0": at(0)},
		Timeline: []*gatewayv1.TimelineEntry{{At: at(0), Text: "virginia masked"}},
	}
}

func (f *federation) aborted() *gatewayv1.Operation {
	return &gatewayv1.Operation{
		Id: "a1e2", Verb: "drill", Scope: "member=tokyo", Mode: "Drill", Level: "L5b", State: "RolledBack", Verdict: "INCONCLUSIVE",
		Reason: "virginia became suspect", Members: []string{"tokyo"}, CreatedAt: f.ago(2 * time.Hour),
		Marks:    map[string]*timestamppb.Timestamp{"T0": at(0), "T11": at(3)},
		Achieved: &gatewayv1.Achieved{RtoMs: -1, DowntimeMs: -1, DetectMs: -1},
	}
}
