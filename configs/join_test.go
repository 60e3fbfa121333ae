package configs

import (
	"context"
	"io"
	"path/filepath"
	"strings"
	"testing"
)

func TestJoin(t *testing.T) {
	home := t.TempDir()
	flags := []string{"--member", "osaka", "--region", "ap-northeast", "--kubeconfig", "kc"}
	for _, c := range []struct {
		name, stdin string
		args        []string
		token, want string
	}{
		{"token", "", append([]string{"--token", "line"}, flags...), "line", ""},
		{"token by standard input", "made\n\nline\n", append([]string{"--token-stdin"}, flags...), "line", ""},
		{"joined before", "", flags, "", ""},
		{"empty standard input", "\n", append([]string{"--token-stdin"}, flags...), "", "standard input has no token"},
		{"no member", "", flags[2:], "", `required flag(s) "member" not set`},
		{"no region", "", []string{"--member", "osaka", "--kubeconfig", "kc"}, "", `required flag(s) "region" not set`},
		{"empty kubeconfig", "", append(flags[:4:4], "--kubeconfig", ""), "", "--kubeconfig must name a file"},
		{"path as a name", "", append(flags[2:len(flags):len(flags)], "--member", "../x"), "", "--member \"../x\""},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got *Agent
			cmd := Join(func() (string, error) { return home, nil }, func(_ context.Context, a Agent) error { got = &a; return nil })
			cmd.SetArgs(c.args)
			cmd.SetIn(strings.NewReader(c.stdin))
			cmd.SetOut(io.Discard)
			cmd.SetErr(io.Discard)
			err := cmd.Execute()
			if c.want != "" {
				if err == nil || !strings.Contains(err.Error(), c.want) || got != nil {
					t.Errorf("got %v, want %q; agent %+v", err, c.want, got)
				}
				return
			}
			if err != nil || got.JoinToken != c.token || got.StateDir != filepath.Join(home, "agents", "osaka") || got.Name != "osaka" {
				t.Errorf("got %+v, %v", got, err)
			}
		})
	}
}
