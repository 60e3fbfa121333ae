package placement

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"github.com/hansa-io/hansa/federation"
)

// TestScripts runs the files of testdata. Each describes members and asks for
// placements, in this language:
//
//	member NAME [region=R] [zone=Z] [provider=P] [jurisdiction=J] [at=(LAT,LONG)] [label=(k=v,…)]
//	       [quota=(NAMESPACE,RESOURCE=N,…)] [taint=(k=v:Effect,…)] [room=(N,…)] [gpu=N] [version=V] [kinds=(…)] [health=H] [cordoned] [draining] [masked=WHY]
//	    adds a member, or changes what is named of one. room lists its nodes by
//	    the replicas of 100m CPU and 100Mi that each holds; tainted those that have taints:
//	    tainted=(k=v:Effect,N,…).
//	external SCORE NAME=VALUE …
//	    sets an external score.
//	place NS/NAME [replicas=N] [cpu=MILLI] [gpu=N] [kinds=(…)] [rebalance] [whole] [exclude=NAME] [keep=NAME] [tolerates=(TAINT,…)] [dry]
//	    decides a placement, written as JSON below the command. Unless dry, the
//	    workload runs as decided from then on, and takes its room.
//	batch
//	    decides many at once, one "NS/NAME replicas=N JSON" a line, and keeps them.
//	simulate [lose=(SCOPE,…)] [scale=(NS/NAME=N,…)]
//	readiness
//	    ask about what was placed so far.
//
// After a change of the engine, go test -rewrite writes the answers anew; read
// each of them before it is committed.
func TestScripts(t *testing.T) {
	datadriven.Walk(t, "testdata/scripts", func(t *testing.T, path string) {
		s := &script{members: map[string]*Member{}, placed: map[federation.Key]*Request{}, external: map[string]map[string]float64{}}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			out, err := s.run(t, d)
			if err != nil {
				return "error: " + err.Error() + "\n"
			}
			return out
		})
	})
}

type script struct {
	members  map[string]*Member
	external map[string]map[string]float64
	placed   map[federation.Key]*Request
}

func (s *script) run(t *testing.T, d *datadriven.TestData) (string, error) {
	switch d.Cmd {
	case "member":
		return "", s.member(d)
	case "external":
		values := map[string]float64{}
		for _, arg := range d.CmdArgs[1:] {
			values[arg.Key], _ = strconv.ParseFloat(arg.Vals[0], 64)
		}
		s.external[d.CmdArgs[0].Key] = values
		return "", nil
	case "place":
		return s.place(d)
	case "batch":
		return s.batch(d)
	case "simulate":
		return s.simulate(d)
	case "readiness":
		return s.readiness()
	}
	t.Fatalf("%s: unknown command %q", d.Pos, d.Cmd)
	return "", nil
}

func unitOf(n int64) federation.Resources {
	return federation.Resources{MilliCPU: 100 * n, MemoryBytes: n * 100 << 20, Pods: n}
}

func (s *script) member(d *datadriven.TestData) error {
	name := d.CmdArgs[0].Key
	m := s.members[name]
	if m == nil {
		m = &Member{Spec: federation.MemberSpec{Name: name, Labels: map[string]string{}}, Health: federation.Healthy}
		s.members[name] = m
		setRoom(m, []int64{20})
	}
	for _, arg := range d.CmdArgs[1:] {
		if err := setMember(m, arg); err != nil {
			return err
		}
	}
	return nil
}

func setMember(m *Member, arg datadriven.CmdArg) (err error) {
	first := ""
	if len(arg.Vals) > 0 {
		first = arg.Vals[0]
	}
	switch arg.Key {
	case "region":
		m.Spec.Place.Region = first
	case "zone":
		m.Spec.Place.Zone = first
	case "provider":
		m.Spec.Place.Provider = first
	case "jurisdiction":
		m.Spec.Place.Jurisdiction = first
	case "at":
		m.Spec.Place.Latitude, _ = strconv.ParseFloat(first, 64)
		m.Spec.Place.Longitude, _ = strconv.ParseFloat(arg.Vals[1], 64)
	case "label":
		for _, pair := range arg.Vals {
			key, value, _ := strings.Cut(pair, "=")
			m.Spec.Labels[key] = value
		}
	case "taint":
		m.Spec.Taints = nil
		for _, text := range arg.Vals {
			m.Spec.Taints = append(m.Spec.Taints, taintOf(text))
		}
	case "room":
		var nodes []int64
		for _, v := range arg.Vals {
			n, _ := strconv.ParseInt(v, 10, 64)
			nodes = append(nodes, n)
		}
		setRoom(m, nodes)
	case "tainted":
		m.Facts.Tainted = append(m.Facts.Tainted, taintedClass(arg.Vals))
	case "gpu":
		n, _ := strconv.ParseInt(first, 10, 64)
		for _, r := range []*federation.Resources{&m.Facts.Free, &m.Facts.Classes[0].Room, &m.Facts.Classes[0].Free[0]} {
			r.Extended = map[string]int64{"nvidia.com/gpu": n}
		}
	case "quota":
		q := federation.Quota{Namespace: first, Free: map[string]int64{}}
		for _, pair := range arg.Vals[1:] {
			name, n, _ := strings.Cut(pair, "=")
			q.Free[name], err = strconv.ParseInt(n, 10, 64)
		}
		m.Facts.Quotas = append(m.Facts.Quotas, q)
	case "version":
		m.Facts.KubernetesVersion = first
	case "kinds":
		m.Facts.Kinds = arg.Vals
	case "health":
		m.Health, err = federation.ParseHealth(first)
	case "cordoned":
		m.Spec.Cordoned = first != "false"
	case "draining":
		m.Spec.Draining = first != "false"
	case "masked":
		m.Masked = first
	default:
		return fmt.Errorf("member: unknown %q", arg.Key)
	}
	return err
}

func setRoom(m *Member, nodes []int64) {
	class := federation.NodeClass{Nodes: int64(len(nodes)), Allocatable: unitOf(20)}
	var all int64
	for _, n := range nodes {
		class.Free = append(class.Free, unitOf(n))
		all += n
	}
	class.Room = unitOf(all)
	m.Facts.Classes = []federation.NodeClass{class}
	m.Facts.Free = class.Room
	m.Facts.Nodes = class.Nodes
	m.Facts.Allocatable = unitOf(max(all, 20*class.Nodes))
}

// snapshot shows what runs as reservations: the facts of the script's members
// are those before anything was placed.
func (s *script) snapshot() (*Snapshot, error) {
	w := World{External: s.external}
	for _, name := range sortedKeys(s.members) {
		w.Members = append(w.Members, *s.members[name])
	}
	for key, req := range s.placed {
		w.Assignments = append(w.Assignments, federation.Assignment{Workload: key, Members: req.Current})
		for _, m := range req.Current {
			w.Reservations = append(w.Reservations, Reservation{Workload: key, Member: m.Member, Replicas: m.Replicas, PerReplica: req.Demand.PerReplica, Tolerations: req.Demand.Tolerations})
		}
	}
	return NewSnapshot(w)
}

func (s *script) place(d *datadriven.TestData) (string, error) {
	req, dry, err := readRequest(d.CmdArgs, d.Input)
	if err != nil {
		return "", err
	}
	snap, err := s.snapshot()
	if err != nil {
		return "", err
	}
	decision := Place(req, snap)
	if decision.Err != nil {
		return "", decision.Err
	}
	if !dry {
		s.keep(req, decision)
	}
	return describe(decision), nil
}

func (s *script) keep(req Request, d Decision) {
	req.Current = d.Members
	req.Rebalance = false
	s.placed[req.Workload] = &req
}

func readRequest(args []datadriven.CmdArg, document string) (req Request, dry bool, err error) {
	if req.Workload, err = federation.ParseKey(args[0].Key); err != nil {
		return req, dry, err
	}
	req.Explain = true
	req.Demand.PerReplica = unitOf(1)
	for _, arg := range args[1:] {
		switch arg.Key {
		case "replicas":
			req.Demand.Replicated = true
			req.Demand.Replicas, err = strconv.ParseInt(arg.Vals[0], 10, 64)
		case "cpu":
			req.Demand.PerReplica.MilliCPU, err = strconv.ParseInt(arg.Vals[0], 10, 64)
		case "gpu":
			n, _ := strconv.ParseInt(arg.Vals[0], 10, 64)
			req.Demand.PerReplica.Extended = map[string]int64{"nvidia.com/gpu": n}
		case "kinds":
			req.Demand.Kinds = arg.Vals
		case "tolerates":
			for _, text := range arg.Vals {
				t := taintOf(text)
				req.Demand.Tolerations = append(req.Demand.Tolerations, federation.Toleration{Key: t.Key, Value: t.Value, Effect: t.Effect})
			}
		case "rebalance":
			req.Rebalance = true
		case "whole":
			req.Whole = true
		case "exclude":
			req.Excluded = map[string]string{arg.Vals[0]: "the script says so"}
		case "keep":
			req.Keep = map[string]string{arg.Vals[0]: "the script says so"}
		case "dry":
			dry = true
		default:
			err = fmt.Errorf("place: unknown %q", arg.Key)
		}
		if err != nil {
			return req, dry, err
		}
	}
	if document != "" {
		dec := json.NewDecoder(strings.NewReader(document))
		dec.DisallowUnknownFields()
		err = dec.Decode(&req.Placement)
	}
	return req, dry, err
}

// describe writes a decision as a person would tell it.
func describe(d Decision) string {
	var b strings.Builder
	fmt.Fprintln(&b, d.Explanation.Summary)
	for _, m := range d.Explanation.Members {
		fmt.Fprintf(&b, "  %s", m.Member)
		switch {
		case m.Chosen:
			fmt.Fprintf(&b, " %d: %s", m.Replicas, m.Reason)
		case m.Filter != "":
			fmt.Fprintf(&b, " refused by %s: %s; remedy: %s", m.Filter, m.Reason, m.Remedy)
		default:
			fmt.Fprintf(&b, " not chosen: %s", m.Reason)
		}
		fmt.Fprintln(&b)
		for _, s := range m.Scores {
			if slices.Contains([]string{"latency", "affinity", "taint", "cost", "carbon"}, s.Name) {
				fmt.Fprintf(&b, "    %s %.0f × %g %s\n", s.Name, s.Value, s.Weight, s.Detail)
			}
		}
	}
	for _, rule := range d.Explanation.Rules {
		fmt.Fprintf(&b, "rule %s\n", rule)
	}
	if d.Explanation.Relaxation != "" {
		fmt.Fprintf(&b, "relaxation %s\n", d.Explanation.Relaxation)
	}
	return b.String()
}

func (s *script) batch(d *datadriven.TestData) (string, error) {
	var reqs []Request
	for _, line := range strings.Split(strings.TrimSpace(d.Input), "\n") {
		head, document, _ := strings.Cut(line, " {")
		_, args, err := datadriven.ParseLine("place " + head)
		if err != nil {
			return "", err
		}
		if document != "" {
			document = "{" + document
		}
		req, _, err := readRequest(args, document)
		if err != nil {
			return "", err
		}
		reqs = append(reqs, req)
	}
	snap, err := s.snapshot()
	if err != nil {
		return "", err
	}
	var b strings.Builder
	own := map[federation.Key]bool{}
	for _, r := range reqs {
		own[r.Workload] = true
	}
	others := slices.DeleteFunc(s.requests(), func(r Request) bool { return own[r.Workload] })
	all := slices.Concat(reqs, others)
	for i, decision := range PlaceAllPreempting(reqs, others, snap) {
		if decision.Err != nil {
			return "", decision.Err
		}
		if i >= len(reqs) && decision.Preempted == "" {
			continue
		}
		describeShort(&b, decision)
		s.keep(all[i], decision)
	}
	return b.String(), nil
}

func describeShort(b *strings.Builder, d Decision) {
	fmt.Fprintf(b, "%s:", d.Workload)
	for _, m := range d.Members {
		fmt.Fprintf(b, " %s %d", m.Member, m.Replicas)
	}
	if d.Unmet > 0 {
		fmt.Fprintf(b, "; %d unmet: %s", d.Unmet, d.Binding)
	}
	fmt.Fprintln(b)
	for _, rule := range d.Explanation.Rules {
		if strings.Contains(rule, "preempt") {
			fmt.Fprintf(b, "  %s\n", rule)
		}
	}
}

func (s *script) requests() []Request {
	var reqs []Request
	for _, req := range s.placed {
		reqs = append(reqs, *req)
	}
	slices.SortFunc(reqs, func(a, b Request) int { return a.Workload.Compare(b.Workload) })
	return reqs
}
