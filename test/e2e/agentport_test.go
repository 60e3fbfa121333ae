package e2e

import (
	"fmt"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// seen is what one observer says of a member.
type seen struct {
	Observer string `json:"observer"`
	What     string `json:"what"`
	Signal   string `json:"signal"`
	Detail   string `json:"detail"`
}

// lookedAt is what the observers of a member see of one thing, by observer.
func (f federation) lookedAt(t *testing.T, member, what string) map[string]seen {
	t.Helper()
	var described struct {
		Evidence []seen `json:"evidence"`
	}
	f.read(t, &described, "hansa", "describe", "member", member, "-o", "json")
	out := map[string]seen{}
	for _, e := range described.Evidence {
		if e.What == what {
			out[e.Observer] = e
		}
	}
	return out
}

// awaitSeen waits until the observers all see one thing of a member, and so.
func (f federation) awaitSeen(t *testing.T, member string, want seen, observers ...string) {
	t.Helper()
	f.await(t, time.Minute, func() string {
		got := f.lookedAt(t, member, want.What)
		for _, o := range observers {
			if !strings.EqualFold(got[o].Signal, want.Signal) || !strings.Contains(got[o].Detail, want.Detail) {
				return fmt.Sprintf("%s of %s: %+v", want.What, member, got)
			}
		}
		return ""
	})
}

// TestAgentPort: agents are looked at beside the bus, by the hub and by each other, and a
// dead agent is told from a dead cluster.
func TestAgentPort(t *testing.T) {
	f := newFederation(t)
	f.run(t, "hansa", "up", "--ports", "auto", "--members", "2", "--no-sample", "--timeout", "100s")
	s := newLeaver(t, f, "--peer-listen", "127.0.0.1:0")
	health := func(want string) {
		t.Helper()
		f.await(t, time.Minute, func() string {
			if h := f.members(t)["osaka"].Status.Health; h != want {
				return "osaka is " + h
			}
			return ""
		})
	}
	health("Healthy")
	for _, member := range []string{"tokyo", "frankfurt", "osaka"} {
		f.awaitSeen(t, member, seen{What: "agent", Signal: "green", Detail: "it last heard a hub 0."}, "hub")
	}

	// The agent stands still, and its cluster does not.
	if err := s.command.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	f.awaitSeen(t, "osaka", seen{What: "agent", Signal: "red", Detail: "no answer in 400 ms"}, "hub", "tokyo", "frankfurt")
	f.awaitSeen(t, "osaka", seen{What: "api", Signal: "green"}, "hub", "tokyo", "frankfurt")
	out := f.run(t, "hansa", "describe", "member", "osaka")
	if !regexp.MustCompile(`Reason .*its API server answers hub, .*its agent does not answer hub, `).MatchString(out) || f.members(t)["osaka"].Status.Health != "Suspect" {
		t.Errorf("an agent that stands still:\n%s", out)
	}
	t.Logf("the agent stands still:\n%s", out)
	if err := s.command.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	health("Healthy")

	// It is killed, and the next life answers where the last one did, by the same certificate.
	s.kill()
	f.awaitSeen(t, "osaka", seen{What: "agent", Signal: "red", Detail: "connection refused"}, "hub", "tokyo", "frankfurt")
	s.join("--peer-listen", "127.0.0.1:0")
	f.awaitSeen(t, "osaka", seen{What: "agent", Signal: "green"}, "hub")
	health("Healthy")
	s.mu.Lock()
	defer s.mu.Unlock()
	ports := regexp.MustCompile(`msg="the agent's own port" .*address=(\S+)`).FindAllStringSubmatch(s.log.String(), -1)
	if len(ports) != 2 || ports[0][1] != ports[1][1] || strings.Count(s.log.String(), "certified for what is said beside the bus") != 1 {
		t.Errorf("its lives differ:\n%s", s.log.String())
	}
}
