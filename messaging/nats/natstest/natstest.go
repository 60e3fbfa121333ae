package natstest

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// taken are the addresses that were given out: nobody may listen there yet.
var taken sync.Map

// Addresses returns addresses on this machine on which nobody listens, and each only
// once.
func Addresses(t testing.TB, n int) []string {
	t.Helper()
	var out []string
	for len(out) < n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		must(t, err)
		defer l.Close()
		if _, given := taken.LoadOrStore(l.Addr().String(), true); !given {
			out = append(out, l.Addr().String())
		}
	}
	return out
}

// changeMark ends a line of a configuration that every site or server has to change.
const changeMark = "# CHANGE"

// Change replaces what stands between the key and the mark of each marked line. Keys
// are those of the line, below those of the blocks around it ("cluster.tls.key_file").
// A marked line that is not in values, and a value without its line, fail the test.
func Change(t testing.TB, config string, values map[string]string) string {
	t.Helper()
	lines := strings.Split(config, "\n")
	var blocks []string
	changed := map[string]bool{}
	for i, line := range lines {
		key, _, isField := strings.Cut(strings.TrimSpace(line), ":")
		switch {
		case strings.HasSuffix(line, "{"):
			blocks = append(blocks, strings.Fields(line)[0])
		case strings.TrimSpace(line) == "}":
			blocks = blocks[:len(blocks)-1]
		case isField && strings.Contains(line, changeMark):
			path := strings.Join(append(blocks[:len(blocks):len(blocks)], key), ".")
			value, ok := values[path]
			if !ok {
				t.Fatalf("line %d has to be changed, and no value is known for %s", i+1, path)
			}
			lines[i], changed[path] = key+": "+value, true
		}
	}
	for path := range values {
		if !changed[path] {
			t.Fatalf("no line to change for %s", path)
		}
	}
	return strings.Join(lines, "\n")
}

// Server runs in the process, from a configuration file.
type Server struct {
	t      testing.TB
	file   string
	server *server.Server
}

// Start starts a server with the configuration and waits until it takes connections.
// It ends with the test.
func Start(t testing.TB, config string) *Server {
	t.Helper()
	s := Begin(t, config)
	s.Ready()
	return s
}

// Begin is Start without waiting, for servers that wait for each other.
func Begin(t testing.TB, config string) *Server {
	t.Helper()
	s := &Server{t: t, file: filepath.Join(t.TempDir(), "nats.conf")}
	must(t, os.WriteFile(s.file, []byte(config), 0o600))
	s.Restart()
	t.Cleanup(s.Stop)
	return s
}

// Restart starts the server again after Stop.
func (s *Server) Restart() {
	s.t.Helper()
	options, err := server.ProcessConfigFile(s.file)
	must(s.t, err)
	options.NoSigs = true
	s.server, err = server.NewServer(options)
	must(s.t, err)
	s.server.SetLogger(testLog{s.t, options.ServerName}, false, false)
	s.server.Start()
}

// Ready waits until the server takes connections.
func (s *Server) Ready() {
	s.t.Helper()
	if !s.server.ReadyForConnections(20 * time.Second) {
		s.t.Fatalf("server %s does not take connections", s.server.Name())
	}
}

// Stop ends the server and waits until it has ended.
func (s *Server) Stop() {
	s.server.Shutdown()
	s.server.WaitForShutdown()
}

// testLog shows what a server complains about.
type testLog struct {
	t    testing.TB
	name string
}

func (l testLog) put(level, format string, args []any) {
	fmt.Fprintf(l.t.Output(), "%s %s %s: %s\n", time.Now().Format("05.000"), level, l.name, fmt.Sprintf(format, args...))
}

// Noticef drops a line.
func (l testLog) Noticef(string, ...any) {}

// Warnf prints a line.
func (l testLog) Warnf(f string, v ...any) { l.put("warn", f, v) }

// Fatalf prints a line.
func (l testLog) Fatalf(f string, v ...any) { l.put("fatal", f, v) }

// Errorf prints a line.
func (l testLog) Errorf(f string, v ...any) { l.put("error", f, v) }

// Debugf drops a line.
func (l testLog) Debugf(string, ...any) {}

// Tracef drops a line.
func (l testLog) Tracef(string, ...any) {}

// kept are the lines that say where a server keeps streams and accounts.
var kept = regexp.MustCompile(`(?m)^(?:store_dir|dir): "(.*)"`)

// Wipe removes what a stopped server has kept, as a new machine in its place would have.
func (s *Server) Wipe() {
	s.t.Helper()
	config, err := os.ReadFile(s.file)
	must(s.t, err)
	for _, found := range kept.FindAllSubmatch(config, -1) {
		must(s.t, os.RemoveAll(string(found[1])))
	}
}
