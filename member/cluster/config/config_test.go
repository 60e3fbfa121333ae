package config

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

const minimal = "name: tokyo\ndataDir: data\n"

func TestDecodeRefuses(t *testing.T) {
	tests := []struct {
		name, text, want string
	}{
		{"empty", "", "1: the file is empty: name and dataDir are required"},
		{"unknown field", minimal + "apiport2: 1\n", `3: unknown field "apiport2": did you mean "apiPort"?`},
		{"unknown nested field", minimal + "nodes:\n  cout: 3\n", `4: unknown field "cout": did you mean "count"?`},
		{"unknown agent field", minimal + "agent:\n  token: x\n", `4: unknown field "token": known here are joinToken, stateDir`},
		{"nothing like it", minimal + "zzz: 1\n", `3: unknown field "zzz": known here are name, place, dataDir`},
		{"wrong type", minimal + "apiPort: many\n", "3: cannot unmarshal !!str `many` into int"},
		{"list for fields", minimal + "place: [a]\n", "3: expected fields such as region, found a list"},
		{"text for fields", minimal + "place: here\n", `3: expected fields such as region, found "here"`},
		{"no fields at all", "tokyo\n", `1: expected fields such as name, found "tokyo"`},
		{"field twice", minimal + "name: osaka\n", `mapping key "name" already defined at line 1`},
		{"two documents", minimal + "---\n" + minimal, "1: more than one YAML document"},
		{"broken", "name: [\n", "1: did not find expected node content"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := Decode([]byte(test.text))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("got %v, want %q", err, test.want)
			}
			if strings.Contains(err.Error(), "\n") {
				t.Fatalf("more than one line: %q", err)
			}
		})
	}
}

func TestValidateRefuses(t *testing.T) {
	tests := []struct {
		name, text, want string
	}{
		{"no name", "dataDir: data\n", "name: is missing"},
		{"no directory", "name: tokyo\n", "dataDir: is missing"},
		{"capital", "name: Tokyo\ndataDir: d\n", `name: "Tokyo" must be lower-case`},
		{"long name", "name: " + strings.Repeat("a", 51) + "\ndataDir: d\n", "name: has 51 characters: at most 50 are allowed"},
		{"address", minimal + "apiAddress: 0.0.0.0\n", `apiAddress: "0.0.0.0" is no IPv4 address of this machine`},
		{"emulated version", minimal + "kubernetesEmulatedVersion: v1.35.2\n", `kubernetesEmulatedVersion: "v1.35.2" is no minor version: write for example "1.35"`},
		{"address that is a name", minimal + "apiAddress: localhost\n", `apiAddress: "localhost" is no IPv4 address`},
		{"port", minimal + "apiPort: 65536\n", "apiPort: 65536 is no port"},
		{"latitude", minimal + "place: {latitude: 91}\n", "place.latitude: 91 is outside -90 to 90"},
		{"latitude that is no number", minimal + "place: {latitude: .nan}\n", "place.latitude: NaN is outside"},
		{"longitude", minimal + "place: {longitude: -181}\n", "place.longitude: -181 is outside -180 to 180"},
		{"region", minimal + "place: {region: a b}\n", `place.region: "a b" must be`},
		{"kind", minimal + "nodes: {kind: real}\n", `nodes.kind: "real" is unknown: write "simulated" or "containerd"`},
		{"count", minimal + "nodes: {count: 1001}\n", "nodes.count: 1001 is outside 1 to 1000"},
		{"negative count", minimal + "nodes: {count: -1}\n", "nodes.count: -1 is outside 1 to 1000"},
		{"simulated beside simulated", minimal + "nodes: {simulated: 3}\n", "nodes.simulated: 3 beside nodes of the kind simulated: write them into nodes.count"},
		{"too many of both", minimal + "nodes: {kind: containerd, count: 2, simulated: 999}\n", "nodes.simulated: 999: with nodes.count at most 1000 are allowed"},
		{"half a pod range", minimal + "podCIDR: 10.244.0.0/22\nnodes: {kind: containerd, count: 2, simulated: 3}\n", "podCIDR: half of 10.244.0.0/22 is too small for 2 containerd nodes"},
		{"cpu", minimal + "nodes: {cpu: four}\n", `nodes.cpu: "four" is no positive quantity`},
		{"memory", minimal + "nodes: {memory: '-1Gi'}\n", `nodes.memory: "-1Gi" is no positive quantity`},
		{"zone", minimal + "nodes: {zones: [a, '']}\n", `nodes.zones[1]: "" must be`},
		{"service range", minimal + "serviceCIDR: 10.0.0.0\n", `serviceCIDR: "10.0.0.0" is no IPv4 range`},
		{"service range of IPv6", minimal + "serviceCIDR: fd00::/108\n", "is no IPv4 range"},
		{"service range too wide", minimal + "serviceCIDR: 10.0.0.0/8\n", "serviceCIDR: 10.0.0.0/8 must be between /12 and /24"},
		{"bits beyond", minimal + "podCIDR: 10.244.0.1/16\n", "write 10.244.0.0/16"},
		{"pod range too small", minimal + "podCIDR: 10.244.0.0/25\n", "podCIDR: 10.244.0.0/25 is too small for 5 nodes of 110 pods"},
		{"pod range of IPv6", minimal + "podCIDR: fd00::/16\nnodes: {kind: containerd, simulated: 3}\n", `podCIDR: "fd00::/16" is no IPv4 range`},
		{"ranges overlap", minimal + "podCIDR: 10.96.0.0/17\n", "podCIDR: 10.96.0.0/17 overlaps serviceCIDR 10.96.0.0/16"},
		{"label key", minimal + "labels: {'a b': c}\n", `labels: key "a b" must be`},
		{"label value", minimal + "labels: {a: 'b c'}\n", `labels.a: "b c" must be`},
		{"several", "dataDir: d\napiPort: -1\n", "name: is missing: name the member; apiPort: -1 is no port"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := Load(write(t, test.text))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("got %v, want %q", err, test.want)
			}
		})
	}
}

func TestLoadCompletes(t *testing.T) {
	path := write(t, minimal+"place: {region: ap-northeast, zone: ap-northeast-1a}\nagent: {joinToken: secret}\n")
	cfg, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	data := filepath.Join(filepath.Dir(path), "data")
	want := Config{
		Name:        "tokyo",
		Place:       Place{Region: "ap-northeast", Zone: "ap-northeast-1a"},
		DataDir:     data,
		APIAddress:  DefaultAPIAddress,
		ServiceCIDR: DefaultServiceCIDR,
		PodCIDR:     DefaultPodCIDR,
		Nodes: Nodes{
			Kind: KindSimulated, Count: DefaultNodeCount, CPU: DefaultCPU, Memory: DefaultMemory, Pods: DefaultPods,
			Zones: []string{"ap-northeast-1a", "ap-northeast-1b", "ap-northeast-1c"},
		},
		Agent: &AgentConfig{JoinToken: "secret", StateDir: filepath.Join(data, "agent")},
	}
	if !reflect.DeepEqual(cfg, want) {
		t.Fatalf("got %+v\nwant %+v", cfg, want)
	}
	if again := cfg.Complete(); !reflect.DeepEqual(again, cfg) {
		t.Fatalf("completing twice changes: %+v", again)
	}
}

func TestLoadNamesFile(t *testing.T) {
	path := write(t, "name: tokyo\nfoo: 1\n")
	_, err := Load(path)
	if err == nil || !strings.HasPrefix(err.Error(), path+":2: unknown field") {
		t.Fatalf("got %v", err)
	}
	_, err = Load(filepath.Join(t.TempDir(), "none.yaml"))
	if err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Fatalf("got %v", err)
	}
	_, err = Load(write(t, "# "+strings.Repeat("x", MaxFile)))
	if err == nil || !strings.Contains(err.Error(), "is larger than") {
		t.Fatalf("got %v", err)
	}
}

func TestEncodeReadsBack(t *testing.T) {
	cfg := Config{Name: "tokyo", DataDir: "/d", Labels: map[string]string{"tier": "gold"}, Agent: &AgentConfig{JoinToken: "s"}}.Complete()
	data, err := cfg.Encode()
	if err != nil {
		t.Fatal(err)
	}
	back, err := Decode(data)
	if err != nil || !reflect.DeepEqual(back, cfg) {
		t.Fatalf("got %+v, %v", back, err)
	}
	shown, err := cfg.Redacted().Encode()
	if err != nil || strings.Contains(string(shown), "joinToken: s\n") || cfg.Agent.JoinToken != "s" {
		t.Fatalf("the token shows, or is lost: %s %v", shown, err)
	}
}

// TestDefaultPods: many nodes share the range of pods, down to a number that is
// still a node.
func TestDefaultPods(t *testing.T) {
	for _, row := range []struct {
		count, want int
		podCIDR     string
	}{
		{5, DefaultPods, "10.244.0.0/16"},
		{590, DefaultPods, "10.244.0.0/16"},
		{1000, 64, "10.244.0.0/16"},
		{1000, DefaultPods, "10.240.0.0/13"},
		{5, DefaultPods, "10.244.0.0/25"}, // which Validate refuses
	} {
		cfg := Config{Name: "tokyo", DataDir: "/d", PodCIDR: row.podCIDR, Nodes: Nodes{Count: row.count}}.Complete()
		if cfg.Nodes.Pods != row.want {
			t.Errorf("%d nodes in %s: %d pods each, want %d", row.count, row.podCIDR, cfg.Nodes.Pods, row.want)
		}
	}
}

func TestParseAsk(t *testing.T) {
	file := Nodes{Kind: KindSimulated, Count: 7}
	for text, want := range map[string]Nodes{
		"":                           file,
		"simulated":                  file,
		"containerd":                 {Kind: KindContainerd, Count: 7},
		"simulated=100":              {Kind: KindSimulated, Count: 100},
		"containerd=2":               {Kind: KindContainerd, Count: 2},
		"containerd=2,simulated=100": {Kind: KindContainerd, Count: 2, Simulated: 100},
		"simulated=100,containerd=2": {Kind: KindContainerd, Count: 2, Simulated: 100},
	} {
		ask, err := ParseAsk(text)
		if got := ask.Of(file); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q: got %+v, %v, want %+v", text, got, err, want)
		}
	}
	for _, text := range []string{
		"docker", "containerd=0", "containerd=-1", "containerd=two", "containerd,simulated", "containerd,simulated=2",
		"simulated=1,simulated=2", ",", "containerd=2,", "containerd=", "=2",
	} {
		if ask, err := ParseAsk(text); err == nil {
			t.Errorf("%q is read as %+v", text, ask)
		}
	}
}

func TestSimulatedRange(t *testing.T) {
	for _, row := range []struct{ kind, want string }{{KindSimulated, "10.244.0.0/16"}, {KindContainerd, "10.244.128.0/17"}} {
		cfg := Config{PodCIDR: "10.244.0.0/16", Nodes: Nodes{Kind: row.kind}}
		if got, err := cfg.SimulatedRange(); err != nil || got.String() != row.want {
			t.Errorf("%s: got %s, %v, want %s", row.kind, got, err, row.want)
		}
	}
}

func TestFollowingZones(t *testing.T) {
	tests := map[string][]string{
		"eu-central-1a": {"eu-central-1a", "eu-central-1b", "eu-central-1c"},
		"us-east-x":     {"us-east-x", "us-east-y", "us-east-z"},
		"us-east-z":     {"us-east-z", "us-east-z-b", "us-east-z-c"},
		"north1":        {"north1", "north1-b", "north1-c"},
	}
	for zone, want := range tests {
		if got := followingZones(zone); !slices.Equal(got, want) {
			t.Errorf("%s: got %v, want %v", zone, got, want)
		}
	}
}

// FuzzDecode checks that no input panics and that what decodes and is valid
// survives being written and read again.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(minimal))
	f.Add([]byte(minimal + "nodes: {zones: [a, b], cpu: '2'}\nlabels: {a: b}\nagent: {}\n"))
	f.Add([]byte(minimal + "podCIDR: fd00::/16\nnodes: {kind: containerd, count: 2, simulated: 3}\n"))
	f.Add([]byte("a: &x [*x]\n"))
	f.Add([]byte("place: *none\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		cfg, err := Decode(data)
		if err != nil {
			return
		}
		cfg = cfg.Complete()
		if cfg.Validate() != nil {
			return
		}
		encoded, err := cfg.Encode()
		if err != nil {
			t.Fatal(err)
		}
		again, err := Decode(encoded)
		if err != nil || !reflect.DeepEqual(again.Complete(), cfg) {
			t.Fatalf("got %+v, %v\nwant %+v", again, err, cfg)
		}
	})
}

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "cluster.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
