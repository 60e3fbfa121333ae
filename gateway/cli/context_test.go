package cli

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

func TestContextIsWrittenAndRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "config.yaml")
	if _, err := ReadContext(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing file is %v", err)
	}
	absolute := filepath.Join(t.TempDir(), "token")
	if err := WriteContext(path, Context{Gateway: "127.0.0.1:7443", CAFile: "pki/ca.pem", TokenFile: absolute}); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file has mode %v, %v", info.Mode(), err)
	}
	got, err := ReadContext(path)
	want := Context{Gateway: "127.0.0.1:7443", CAFile: filepath.Join(filepath.Dir(path), "pki/ca.pem"), TokenFile: absolute}
	if err != nil || got != want {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
}

func TestFoldersAreReadByNameAndManifestsOnly(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"b.yml", "a.yaml", "c.json", ".hidden.yaml", "notes.txt", "sub/d.yaml"} {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(name), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	files, err := inputs([]string{dir}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range files {
		got = append(got, string(f.GetContent()))
	}
	if len(got) != 3 || got[0] != "a.yaml" || got[1] != "b.yml" || got[2] != "c.json" {
		t.Errorf("read %v", got)
	}
}

func TestTooMuchInputIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "large.yaml")
	if err := os.WriteFile(path, make([]byte, maxInput+1), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := inputs([]string{path}, nil); err == nil {
		t.Error("more than the bound is taken")
	}
}
