package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestLeaderAndMemberKilled: the hub that leads and a member get SIGKILL together. The
// gateways of the other hubs answer without the member before another hub leads, and never
// with it again; the next leader decides once.
func TestLeaderAndMemberKilled(t *testing.T) {
	f := newFederation(t)
	f.run(t, "hansa", "up", "--hubs", "3", "--members", "3", "--ports", "auto", "--timeout", "100s")
	leader, others := f.leader(t)
	gateway := f.gatewayOf(t, others[0])
	resolve := []string{"resolve", "shop/web", "--from", "frankfurt", "--gateway", gateway}
	f.await(t, 60*time.Second, func() string {
		if out := f.run(t, "hansa", resolve...); !strings.Contains(out, "frankfurt  ") {
			return out
		}
		return ""
	})
	watch := f.watch(t, "hansa", append(resolve, "--watch", "-o", "json")...)
	term := f.term(t, gateway)

	killed := time.Now()
	f.sigkill(t, leader)
	f.sigkill(t, filepath.Join("members", "frankfurt"))
	f.await(t, 30*time.Second, func() string {
		if out := f.run(t, "hansa", resolve...); strings.Contains(out, "frankfurt  ") {
			return out
		}
		return ""
	})
	t.Logf("%s led; withdrawn %s after the kill", leader, time.Since(killed))
	if now := f.term(t, gateway); now != term {
		t.Errorf("term %d: another hub leads already, and nothing is shown", now)
	}
	if out := f.run(t, "hansa", "get", "members", "--gateway", gateway); !strings.Contains(out, "Unreachable") {
		t.Errorf("nobody is told:\n%s", out)
	}

	f.await(t, 60*time.Second, func() string {
		out := f.run(t, "hansa", "get", "operations", "--gateway", gateway, "-o", "json")
		if !strings.Contains(out, `"Completed"`) {
			return out
		}
		return ""
	})
	t.Logf("the failover has ended %s after the kill", time.Since(killed))
	if out := f.run(t, "hansa", "get", "operations", "--gateway", gateway, "-o", "json"); strings.Count(out, `"failover"`) != 1 {
		t.Errorf("not one failover:\n%s", out)
	}
	if errs := watch.stop(t); errs != "" {
		t.Errorf("the watch says %q", errs)
	}
	if turns := turnsOf(t, watch.out.Bytes(), "frankfurt"); len(turns) != 2 || turns[1] {
		t.Errorf("frankfurt was in the answers, or not: %v", turns)
	}
}

// leader finds the hub that leads by what the evidence about a member leaves out: the
// others are observers of their own.
func (f federation) leader(t *testing.T) (leader string, others []string) {
	t.Helper()
	f.await(t, 30*time.Second, func() string {
		leader, others = "", nil
		out := f.run(t, "hansa", "describe", "member", "tokyo")
		for _, hub := range hubs {
			if strings.Contains(out, "hub/"+hub+" ") {
				others = append(others, hub)
			} else {
				leader = hub
			}
		}
		if len(others) != 2 {
			return out
		}
		return ""
	})
	return leader, others
}

// term is that of the leader as a gateway has heard it.
func (f federation) term(t *testing.T, gateway string) uint64 {
	t.Helper()
	out, _ := f.try(t, "hansa", "status", "--gateway", gateway)
	found := regexp.MustCompile(`term (\d+)`).FindStringSubmatch(out)
	if found == nil {
		t.Fatalf("no term in %q", out)
	}
	term, err := strconv.ParseUint(found[1], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return term
}

// sigkill sends SIGKILL to a process of the federation, whose directory is given.
func (f federation) sigkill(t *testing.T, dir string) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(f.home, dir, "pid"))
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
}

// turnsOf says, for a stream of answers, whether the member was in them, each change once.
func turnsOf(t *testing.T, answers []byte, member string) []bool {
	t.Helper()
	var turns []bool
	for decoder := json.NewDecoder(bytes.NewReader(answers)); ; {
		var answer json.RawMessage
		if err := decoder.Decode(&answer); errors.Is(err, io.EOF) {
			return turns
		} else if err != nil {
			t.Fatal(err)
		}
		in := bytes.Contains(answer, []byte(`"member":"`+member+`"`))
		if len(turns) == 0 || turns[len(turns)-1] != in {
			turns = append(turns, in)
		}
	}
}
