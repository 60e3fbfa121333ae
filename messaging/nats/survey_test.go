package nats

import (
	"strings"
	"testing"
)

func TestMissing(t *testing.T) {
	good := func(name string) Found {
		return Found{Name: name, Cluster: "home", Version: "2.12.0", Streams: true, SyncAlways: true, MaxPayload: MaxPayload, MaxControlLine: maxControlLine}
	}
	with := func(change func(*Found)) []Found {
		f := good("b")
		change(&f)
		return []Found{good("a"), f}
	}
	home := Placement{Cluster: "home"}
	for _, c := range []struct {
		name  string
		found []Found
		place Placement
		want  string // in the refusal; empty: it is taken
	}{
		{"as it should be", with(func(*Found) {}), home, ""},
		{"newer", with(func(f *Found) { f.Version = "3.0.0-RC.1" }), home, ""},
		{"old", with(func(f *Found) { f.Version = "2.11.9" }), home, "server b has nats-server 2.11.9, without atomic batches (since 2.12): a decision could be stored in part: upgrade it to 2.12 or newer"},
		{"older", with(func(f *Found) { f.Version = "2.9.10" }), home, "without time to live of single messages (since 2.11): the lease of a hub that died would never end, and without atomic batches"},
		{"without a version", with(func(f *Found) { f.Version = "" }), home, "server b has nats-server , without"},
		{"old, and keeps no streams", with(func(f *Found) { f.Version, f.Streams = "2.9.10", false }), home, ""},
		{"old, in another cluster", with(func(f *Found) { f.Version, f.Cluster = "2.9.10", "far" }), home, ""},
		{"old, in another cluster that may be used", with(func(f *Found) { f.Version, f.Cluster = "2.9.10", "far" }), Placement{}, "2.9.10"},
		{"small messages", with(func(f *Found) { f.MaxPayload, f.Streams = 1<<20, false }), home, "server b takes at most 1048576 bytes in a message: set max_payload to 8388608"},
		{"short lines", with(func(f *Found) { f.MaxControlLine = 4096 }), home, "set max_control_line to 32768"},
		{"no streams there", with(func(*Found) {}), Placement{Cluster: "far"}, "no server keeps streams in cluster far: configure jetstream there"},
		{"no streams", []Found{{Name: "a"}}, Placement{}, "no server keeps streams: configure jetstream there"},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := missing(c.found, c.place)
			switch {
			case c.want == "" && err != nil:
				t.Errorf("refused: %v", err)
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n")):
				t.Errorf("got %v, want one line with %q", err, c.want)
			}
		})
	}
}

func TestAdvice(t *testing.T) {
	got := advice([]Found{{Name: "a", Streams: true}, {Name: "b", Streams: true, SyncAlways: true}, {Name: "c"}}, Placement{})
	if len(got) != 1 || !strings.HasPrefix(got[0], "server a may lose acknowledged writes") {
		t.Errorf("got %q", got)
	}
}

func TestServerConfigRefuses(t *testing.T) {
	keys, err := MakeKeys(t.TempDir())
	must(t, err)
	for _, urls := range [][]string{nil, {"tls://nats"}, {"nats:7422"}, {"tls://a:1", "::"}} {
		if text, err := keys.ServerConfig(Site{URLs: urls}); err == nil {
			t.Errorf("%q gives %s", urls, text)
		}
	}
}
