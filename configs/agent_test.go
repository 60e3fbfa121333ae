package configs

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestLoadAgent(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"whole", "name: tokyo\nplace: {region: ap-northeast}\nkubeconfig: kc\nstateDir: state\n", ""},
		{"no name", "place: {region: x}\nkubeconfig: kc\n", "name must be set"},
		{"no region", "name: tokyo\nkubeconfig: kc\n", "place.region must be set"},
		{"context of no kubeconfig", "name: tokyo\nplace: {region: x}\ncontext: a\n", "kubeconfig must be set with context"},
		{"two tokens", "name: tokyo\nplace: {region: x}\njoinToken: a\njoinTokenFile: b\n", "joinToken and joinTokenFile are both set"},
		{"unknown field", "nam: tokyo\n", `did you mean "name"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "agent.yaml")
			if err := os.WriteFile(file, []byte(c.text), 0o600); err != nil {
				t.Fatal(err)
			}
			a, err := LoadAgent(file)
			if c.want == "" {
				if err != nil || a.Kubeconfig != filepath.Join(filepath.Dir(file), "kc") || a.StateDir != filepath.Join(filepath.Dir(file), "state") {
					t.Errorf("got %+v, %v", a, err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

// TestAgentToken: the file with the token may be gone once the agent has joined.
func TestAgentToken(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("line\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		agent Agent
		want  string
	}{{Agent{JoinToken: "own"}, "own"}, {Agent{JoinTokenFile: file}, "line"}, {Agent{JoinTokenFile: file + "-gone"}, ""}} {
		if got, err := c.agent.Token(); err != nil || got != c.want {
			t.Errorf("%+v: %q, %v", c.agent, got, err)
		}
	}
}
