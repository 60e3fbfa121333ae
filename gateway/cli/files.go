package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	gatewayv1 "github.com/hansa-io/hansa/gateway/v1"
)

// maxInput is the most that one apply may carry, in bytes; the gateway has the
// same bound, this one saves the way.
const maxInput = 16 << 20

// stdinName is what -f takes for standard input.
const stdinName = "-"

// inputs reads the files, folders and standard input of -f. The names in the
// result are those that error messages show.
func inputs(paths []string, stdin io.Reader) ([]*gatewayv1.File, error) {
	var out []*gatewayv1.File
	total := 0
	for _, path := range paths {
		files, err := input(path, stdin)
		if err != nil {
			return nil, err
		}
		out = append(out, files...)
	}
	for _, f := range out {
		total += len(f.GetContent())
	}
	if total > maxInput {
		return nil, fmt.Errorf("the files have %d MiB together, at most %d are taken at once: apply them in parts", total>>20, maxInput>>20)
	}
	return out, nil
}

func input(path string, stdin io.Reader) ([]*gatewayv1.File, error) {
	if path == stdinName {
		f, err := content("standard input", stdin)
		return []*gatewayv1.File{f}, err
	}
	info, err := os.Stat(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("%s does not exist: check -f", path)
	}
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		f, err := readFile(path)
		return []*gatewayv1.File{f}, err
	}
	return folder(path)
}

// folder reads the manifests right in a folder, by name.
func folder(path string) ([]*gatewayv1.File, error) {
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, err
	}
	var out []*gatewayv1.File
	for _, e := range entries {
		if e.IsDir() || !manifest(e.Name()) {
			continue
		}
		f, err := readFile(filepath.Join(path, e.Name()))
		if err != nil {
			return nil, err
		}
		out = append(out, f)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%s has no file that ends in .yaml, .yml or .json: check -f", path)
	}
	return out, nil
}

func manifest(name string) bool {
	return !strings.HasPrefix(name, ".") && slices.Contains([]string{".yaml", ".yml", ".json"}, filepath.Ext(name))
}

func readFile(path string) (*gatewayv1.File, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return content(path, file)
}

func content(name string, from io.Reader) (*gatewayv1.File, error) {
	data, err := io.ReadAll(io.LimitReader(from, maxInput+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	return &gatewayv1.File{Name: name, Content: data}, nil
}

// sourceOf names what was applied, so that a later apply of the same source can
// prune: the absolute paths, or "stdin".
func sourceOf(paths []string) (string, error) {
	var out []string
	for _, path := range paths {
		if path == stdinName {
			out = append(out, "stdin")
			continue
		}
		absolute, err := filepath.Abs(path)
		if err != nil {
			return "", err
		}
		out = append(out, absolute)
	}
	slices.Sort(out)
	return strings.Join(out, ","), nil
}
