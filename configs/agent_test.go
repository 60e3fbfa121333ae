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
		{"no kubeconfig", "name: tokyo\nplace: {region: x}\n", "kubeconfig must be set"},
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
