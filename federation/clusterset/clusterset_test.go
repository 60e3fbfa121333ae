package clusterset

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hansa-io/hansa/federation"
)

// parse reads "tokyo 2 ClusterSetIP http:80 dns:53/UDP": the member, the age of its export
// in hours, its type and ports.
func parse(t *testing.T, line string) federation.Export {
	t.Helper()
	words := strings.Fields(line)
	hours, err := time.ParseDuration(words[1] + "h")
	if err != nil {
		t.Fatal(err)
	}
	e := federation.Export{Member: words[0], ExportedAt: time.Date(2026, 1, 9, 0, 0, 0, 0, time.UTC).Add(-hours), Type: words[2]}
	for _, text := range words[3:] {
		p := federation.Port{Protocol: "TCP"}
		name, rest, _ := strings.Cut(text, ":")
		number, protocol, other := strings.Cut(rest, "/")
		if other {
			p.Protocol = protocol
		}
		p.Name = name
		if _, err := fmt.Sscan(number, &p.Port); err != nil {
			t.Fatal(err)
		}
		e.Ports = append(e.Ports, p)
	}
	return e
}

func TestMerge(t *testing.T) {
	for _, c := range []struct{ exports, want string }{
		{"a 1 ClusterSetIP http:80", "ClusterSetIP [http 80] []"},
		{"a 1 ClusterSetIP http:80\nb 2 ClusterSetIP http:80 admin:90", "ClusterSetIP [http 80 admin 90] []"},
		{"a 1 ClusterSetIP http:81\nb 2 ClusterSetIP http:80", "ClusterSetIP [http 80] [a: port http 81 differs from the older http 80]"},
		{"b 1 ClusterSetIP http:81\na 1 ClusterSetIP http:80", "ClusterSetIP [http 80] [b: port http 81 differs from the older http 80]"},
		{"a 1 ClusterSetIP web:80\nb 2 ClusterSetIP http:80", "ClusterSetIP [http 80] [a: port web 80 differs from the older http 80]"},
		{"a 1 ClusterSetIP dns:53/UDP\nb 2 ClusterSetIP dns-tcp:53", "ClusterSetIP [dns-tcp 53 dns 53/UDP] []"},
		{"a 1 ClusterSetIP dns:53/UDP\nb 2 ClusterSetIP dns:53", "ClusterSetIP [dns 53] [a: port dns 53/UDP differs from the older dns 53]"},
		{"a 1 ClusterSetIP :81\nb 2 ClusterSetIP :80", "ClusterSetIP [(unnamed) 80] [a: port (unnamed) 81 differs from the older (unnamed) 80]"},
		{"a 1 Headless http:80\nb 2 ClusterSetIP http:80", "ClusterSetIP [http 80] [a: type Headless differs from the older ClusterSetIP]"},
	} {
		var exports []federation.Export
		for _, line := range strings.Split(c.exports, "\n") {
			exports = append(exports, parse(t, line))
		}
		s := Merge(exports)
		var ports []string
		for _, p := range s.Ports {
			ports = append(ports, name(p))
		}
		if got := fmt.Sprintf("%s %v %v", s.Type, ports, s.Conflicts); got != c.want {
			t.Errorf("%s:\ngot  %s\nwant %s", c.exports, got, c.want)
		}
	}
}
