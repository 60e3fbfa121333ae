package e2e

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const password = "correct-horse-battery-staple"

// checkSecret: a Secret arrives readable in every member that has its workload, and no
// file of bus and hub has it.
func checkSecret(t *testing.T, f federation) {
	file := filepath.Join(t.TempDir(), "vault.yaml")
	text := "apiVersion: v1\nkind: Secret\nmetadata: {namespace: plan, name: vault}\nstringData: {password: " + password + "}\n---\n" +
		deployment("vault", "", "volumes: [{name: vault, secret: {secretName: vault}}], ", 3)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	f.run(t, "hansa", "apply", "-f", file, "--wait", "--timeout", "60s")
	encoded := base64.StdEncoding.EncodeToString([]byte(password))
	shares := f.shares(t, "plan/vault")
	if len(shares) == 0 {
		t.Fatal("plan/vault is nowhere")
	}
	for member := range shares {
		kubeconfig := f.kubeconfig(t, member)
		f.await(t, 20*time.Second, func() string {
			got, _ := f.try(t, "kubectl", "--kubeconfig", kubeconfig, "-n", "plan", "get", "secret", "vault", "-o", "jsonpath={.data.password}")
			if got != encoded {
				return member + " has " + got
			}
			return ""
		})
	}
	if out := f.run(t, "hansa", "apply", "-f", file); !strings.Contains(out, "unchanged") {
		t.Errorf("applying the same Secret again changes something:\n%s", out)
	}
	f.nowhere(t, password, encoded)
	f.run(t, "hansa", "delete", "plan/vault", "--yes")
}

// nowhere looks for texts in every file of bus and hub.
func (f federation) nowhere(t *testing.T, texts ...string) {
	t.Helper()
	files := 0
	err := filepath.WalkDir(filepath.Join(f.home, "hub"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return ignoreGone(err)
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return ignoreGone(err)
		}
		files++
		for _, text := range texts {
			if bytes.Contains(b, []byte(text)) {
				t.Errorf("%s has %q", path, text)
			}
		}
		return nil
	})
	if err != nil || files < 10 {
		t.Errorf("looked into %d files: %v", files, err)
	}
}

// ignoreGone: the bus goes on writing while its files are read.
func ignoreGone(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
