package configs

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// loadHub loads a hub's file with the text.
func loadHub(t *testing.T, text string) (Hub, error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "hub.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return LoadHub(file)
}

// TestSampleHubs: every sample loads, and what hubs of one bus must have in common they
// have.
func TestSampleHubs(t *testing.T) {
	hubs := map[string]Hub{}
	files, err := fs.Glob(Samples, "samples/hubs/*.yaml")
	if err != nil || len(files) < 5 {
		t.Fatalf("%v, %v", files, err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(path.Base(file), ".yaml")
		if name == "gateway" {
			if _, err := LoadGateway(file); err != nil {
				t.Error(err)
			}
			continue
		}
		if hubs[name], err = LoadHub(file); err != nil {
			t.Error(err)
		}
	}
	first := hubs["hub-1"]
	meet := map[string]bool{}
	for _, name := range []string{"hub-1", "hub-2", "hub-3"} {
		h := hubs[name]
		if h.Name != name || h.Bus.KeysDir != first.Bus.KeysDir || !reflect.DeepEqual(h.Bus.Advertise, first.Bus.Advertise) {
			t.Errorf("%s: %+v", name, h)
		}
		if len(h.Bus.Cluster.Routes) != 2 || strings.Contains(strings.Join(h.Bus.Cluster.Routes, " "), name+".") {
			t.Errorf("%s has routes %v", name, h.Bus.Cluster.Routes)
		}
		for _, r := range h.Bus.Cluster.Routes {
			meet[r] = true
		}
	}
	if len(meet) != 3 {
		t.Errorf("the hubs meet at %v", meet)
	}
	if one := hubs["one"]; one.Name != "hub-1" || one.Bus.Cluster.Listen != "" || !reflect.DeepEqual(one.Bus.Advertise, first.Bus.Advertise) {
		t.Errorf("got %+v", one)
	}
}

// TestGuide: every file, or part of one, in the operations guide is a hub's configuration,
// and what it links to is there.
func TestGuide(t *testing.T) {
	guide, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := strings.Split(string(guide), "```yaml\n")[1:]
	if len(blocks) < 1 {
		t.Errorf("%d blocks were found", len(blocks))
	}
	for _, b := range blocks {
		text, _, _ := strings.Cut(b, "```")
		if _, err := loadHub(t, text); err != nil {
			t.Errorf("%v in\n%s", err, text)
		}
	}
	for _, link := range regexp.MustCompile(`\]\(([^)]+)\)`).FindAllSubmatch(guide, -1) {
		if section, within := strings.CutPrefix(string(link[1]), "#"); within {
			if !slices.Contains(sections(string(guide)), section) {
				t.Errorf("no section %q", section)
			}
		} else if _, err := os.Stat(string(link[1])); err != nil {
			t.Error(err)
		}
	}
}

// sections are the anchors of a text's headings.
func sections(text string) []string {
	var out []string
	for _, heading := range regexp.MustCompile(`(?m)^#+ (.+)$`).FindAllStringSubmatch(text, -1) {
		plain := regexp.MustCompile(`[^a-z0-9 _-]`).ReplaceAllString(strings.ToLower(heading[1]), "")
		out = append(out, strings.ReplaceAll(plain, " ", "-"))
	}
	return out
}
