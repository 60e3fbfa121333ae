package net

import (
	"fmt"
	"maps"
	"os"
	"strings"
	"testing"
	"time"
)

// patience bounds each wait for what has to come.
const patience = 2 * time.Minute

type memberAnswer struct {
	Metadata struct{ Name string }
	Status   struct {
		Health, Verdict, Reason string
		Nodes, NodesReady       int
	}
}

func (f *federation) members() (map[string]memberAnswer, error) {
	var list struct{ Items []memberAnswer }
	if err := f.get("/v1/members", &list); err != nil {
		return nil, err
	}
	out := map[string]memberAnswer{}
	for _, m := range list.Items {
		out[m.Metadata.Name] = m
	}
	return out, nil
}

// is says "" when the member is in that state.
func (f *federation) is(name, health string) string {
	m, err := f.members()
	switch {
	case err != nil:
		return err.Error()
	case m[name].Status.Health != health:
		return fmt.Sprintf("%s is %s", name, m[name].Status.Health)
	}
	return ""
}

// said counts in the hub's log how often it judged so, of all members.
func (f *federation) said(health string) int {
	b, _ := os.ReadFile(f.processes[hub].log) // it is there since the start
	return strings.Count(string(b), " health="+health+" ")
}

// noVerdict says "" when no member was lost since this part began.
func (f *federation) noVerdict() string {
	if n := f.said("Unreachable") - f.losses; n > 0 {
		return fmt.Sprintf("%d verdicts Unreachable; seen: %s", n, f.states())
	}
	return ""
}

func (f *federation) allHealthy() string {
	for _, name := range memberNames {
		if lacking := f.is(name, "Healthy"); lacking != "" {
			return lacking
		}
	}
	return ""
}

func (f *federation) awaitGateway(t *testing.T) {
	t.Helper()
	await(t, patience, func() string {
		f.processes[hub].alive(t)
		var status struct {
			Synced   bool
			HubAgeMs int64 `json:"hubAgeMs,string"`
		}
		if err := f.get("/v1/status", &status); err != nil {
			return err.Error()
		}
		if !status.Synced || status.HubAgeMs < 0 {
			return fmt.Sprintf("the gateway says %+v", status)
		}
		return ""
	})
}

func (f *federation) awaitMembers(t *testing.T) {
	t.Helper()
	await(t, patience, func() string {
		for _, p := range f.processes {
			p.alive(t)
		}
		if lacking := f.allHealthy(); lacking != "" {
			return lacking
		}
		members, _ := f.members() // asked a moment ago
		for name, m := range members {
			if m.Status.Nodes == 0 || m.Status.NodesReady != m.Status.Nodes {
				return fmt.Sprintf("%s: %+v", name, m)
			}
		}
		return ""
	})
}

type workloadAnswer struct {
	Status struct {
		State   string
		Epoch   int
		Members []struct {
			Member, State   string
			Replicas, Ready int
		}
	}
}

func (f *federation) workload(name string) (workloadAnswer, error) {
	var found struct{ Workload workloadAnswer }
	err := f.get("/v1/workloads/"+namespace+"/"+name, &found)
	return found.Workload, err
}

// serving counts the endpoints of web that the gateway answers with, by member.
func (f *federation) serving() (map[string]int, error) {
	var a struct {
		Tiers []struct{ Endpoints []struct{ Member string } }
	}
	if err := f.get("/v1/services/"+namespace+"/web/endpoints", &a); err != nil {
		return nil, err
	}
	out := map[string]int{}
	for _, tier := range a.Tiers {
		for _, e := range tier.Endpoints {
			out[e.Member]++
		}
	}
	return out, nil
}

// steady: every member is healthy, every workload ready, all six endpoints answered,
// and the at-most-one workload runs once.
func (f *federation) steady() string {
	if lacking := f.allHealthy(); lacking != "" {
		return lacking
	}
	for _, name := range workloads {
		w, err := f.workload(name)
		if err != nil {
			return err.Error()
		}
		if w.Status.State != "Ready" {
			return fmt.Sprintf("%s: %+v", name, w)
		}
	}
	serving, err := f.serving()
	if err != nil {
		return err.Error()
	}
	total := 0
	for n := range maps.Values(serving) {
		total += n
	}
	if total != webReplicas {
		return fmt.Sprintf("%d of %d endpoints", total, webReplicas)
	}
	if home := f.watch.home(); home == "" {
		return "the at-most-one workload runs nowhere, or twice"
	}
	return ""
}

// awaitSteady logs what it waited for last.
func (f *federation) awaitSteady(t *testing.T) time.Time {
	t.Helper()
	begin, last := time.Now(), ""
	at := await(t, patience, func() string {
		lacking := f.steady()
		if lacking != "" {
			last = lacking
		}
		return lacking
	})
	if last != "" {
		t.Logf("steady after %s; before: %s", since(begin, at), last)
	}
	return at
}
