package bench

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hansa-io/hansa/member/cluster/config"
)

// settle is how long a cluster rests before its memory is read: long enough for
// what the start left behind to be collected.
const settle = 10 * time.Second

// BenchmarkCluster starts a member with five simulated nodes on an empty
// directory, again on the same one, and reports for each: milliseconds until
// every node is Ready, resident memory after a rest, milliseconds from SIGTERM
// to the end, and CPU seconds of the whole run.
func BenchmarkCluster(b *testing.B) {
	binary := clusterBinary(b)
	for b.Loop() {
		file := writeConfig(b, 0)
		report(b, "first", measure(b, binary, file))
		report(b, "again", measure(b, binary, file))
	}
}

// BenchmarkManyNodes does the same with 1,000 simulated nodes, and reports beside
// what BenchmarkCluster does the share of a core that the member takes when nothing
// happens in it, over a minute.
func BenchmarkManyNodes(b *testing.B) {
	binary := clusterBinary(b)
	for b.Loop() {
		run := startMeasured(b, binary, writeConfig(b, 1000))
		<-time.After(settle)
		const quiet = time.Minute
		before := spentTicks(b, run.command.Process.Pid)
		<-time.After(quiet)
		ticks := spentTicks(b, run.command.Process.Pid) - before
		b.ReportMetric(float64(ticks)/quiet.Seconds(), "idle-core-%") // a tick is a hundredth of a second
		report(b, "first", run.end(b))
	}
}

// spentTicks is the CPU time of a process in hundredths of a second.
func spentTicks(b *testing.B, pid int) int {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		b.Fatal(err)
	}
	const user, system = 11, 12 // after the name of the program
	_, after, _ := strings.Cut(string(text), ") ")
	fields := strings.Fields(after)
	sum := 0
	for _, field := range []string{fields[user], fields[system]} {
		ticks, err := strconv.Atoi(field)
		if err != nil {
			b.Fatal(err)
		}
		sum += ticks
	}
	return sum
}

// figures are those of one run of hansa-cluster.
type figures struct {
	ready, stop, cpu time.Duration
	resident         int64 // KiB
}

func report(b *testing.B, which string, f figures) {
	b.ReportMetric(float64(f.ready.Milliseconds()), which+"-ready-ms")
	b.ReportMetric(float64(f.resident)/1024, which+"-rss-MiB")
	b.ReportMetric(f.cpu.Seconds(), which+"-cpu-s")
	b.ReportMetric(float64(f.stop.Milliseconds()), which+"-stop-ms")
}

func measure(b *testing.B, binary, file string) figures {
	b.Helper()
	run := startMeasured(b, binary, file)
	<-time.After(settle)
	return run.end(b)
}

// measured is a member that is Ready.
type measured struct {
	command *exec.Cmd
	lines   *bufio.Scanner
	ready   time.Duration
}

func startMeasured(b *testing.B, binary, file string) measured {
	b.Helper()
	command := exec.Command(binary, "--config", file)
	stderr, err := command.StderrPipe()
	if err != nil {
		b.Fatal(err)
	}
	began := time.Now()
	if err := command.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = command.Process.Kill() })
	lines := bufio.NewScanner(stderr)
	if !skipTo(lines, `msg="control plane ready"`) {
		b.Fatalf("hansa-cluster was not ready: %v", command.Wait())
	}
	return measured{command: command, lines: lines, ready: time.Since(began)}
}

// end reads the memory, stops the member and sums up.
func (m measured) end(b *testing.B) figures {
	b.Helper()
	f := figures{ready: m.ready, resident: residentKiB(b, m.command.Process.Pid)}
	began := time.Now()
	if err := m.command.Process.Signal(syscall.SIGTERM); err != nil {
		b.Fatal(err)
	}
	for m.lines.Scan() {
	}
	if err := m.command.Wait(); err != nil {
		b.Fatal(err)
	}
	f.stop = time.Since(began)
	f.cpu = m.command.ProcessState.UserTime() + m.command.ProcessState.SystemTime()
	return f
}

func skipTo(lines *bufio.Scanner, text string) bool {
	for lines.Scan() {
		if strings.Contains(lines.Text(), text) {
			return true
		}
	}
	return false
}

func residentKiB(b *testing.B, pid int) int64 {
	b.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		b.Fatal(err)
	}
	var resident int64
	for line := range strings.Lines(string(status)) {
		if _, err := fmt.Sscanf(line, "VmRSS: %d kB", &resident); err == nil {
			return resident
		}
	}
	b.Fatal("no VmRSS in status")
	return 0
}

// writeConfig describes a member with so many nodes; 0 means the default.
func writeConfig(b *testing.B, nodes int) string {
	b.Helper()
	dir := b.TempDir()
	data, err := config.Config{Name: "bench", DataDir: filepath.Join(dir, "data"), Nodes: config.Nodes{Count: nodes}}.Complete().Encode()
	if err != nil {
		b.Fatal(err)
	}
	file := filepath.Join(dir, "cluster.yaml")
	if err := os.WriteFile(file, data, 0o600); err != nil {
		b.Fatal(err)
	}
	return file
}

// clusterBinary returns HANSA_CLUSTER_BIN, or what make build has made.
func clusterBinary(b *testing.B) string {
	b.Helper()
	path := os.Getenv("HANSA_CLUSTER_BIN")
	if path == "" {
		path = "../../bin/hansa-cluster"
	}
	if _, err := os.Stat(path); err != nil {
		b.Skipf("no hansa-cluster: run make build, or set HANSA_CLUSTER_BIN: %v", err)
	}
	return path
}
