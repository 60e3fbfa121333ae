package script

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/hansa-io/hansa/gateway/cli"
)

var rewrite = flag.Bool("rewrite", false, "write the golden files in testdata instead of comparing with them")

// TestMain lets the test binary run again as the command, so that nothing is
// built beforehand.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"hansa": func() {
			ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
			code := cli.Main(ctx, os.Args[1:], cli.Options{Version: "v1.2.3"})
			stop()
			os.Exit(code)
		},
	})
}

// TestScripts runs each script against a gateway of its own. HANSA_HOME has a
// context that names it; $GATEWAY is its address.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		UpdateScripts:       *rewrite,
		RequireExplicitExec: false,
		RequireUniqueNames:  true,
		Setup:               setup,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":   exits,
			"settled": settled,
			"until":   until,
		},
	})
}

func setup(env *testscript.Env) error {
	g, err := serve()
	if err != nil {
		return err
	}
	env.Defer(g.stop)
	home := filepath.Join(env.WorkDir, "home")
	if err := g.writeHome(home); err != nil {
		return err
	}
	env.Setenv("HANSA_HOME", home)
	env.Setenv("GATEWAY", g.address)
	env.Setenv("TERM", "xterm")
	return nil
}

// exits CODE COMMAND... runs a command and wants this exit code.
func exits(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND...")
	}
	err := ts.Exec(args[1], args[2:]...)
	code := 0
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		code = exit.ExitCode()
	case err != nil:
		ts.Fatalf("%v", err)
	}
	if strconv.Itoa(code) != args[0] {
		ts.Fatalf("exit code %d, want %s", code, args[0])
	}
}

// maxUntil bounds how long until waits, so that a watch that stays silent fails
// its script.
const maxUntil = 10 * time.Second

// until PATTERN COMMAND... runs a command that does not end by itself, interrupts
// it once a line of its output, of both streams, matches, and wants exit code 0; "! until" wants 1.
func until(ts *testscript.TestScript, fails bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: until PATTERN COMMAND...")
	}
	pattern, err := regexp.Compile(args[0])
	ts.Check(err)
	ctx, cancel := context.WithTimeout(context.Background(), maxUntil)
	defer cancel()
	path, err := exec.LookPath(args[1])
	ts.Check(err)
	command := exec.CommandContext(ctx, path, args[2:]...)
	command.Dir = ts.MkAbs(".")
	command.Env = append(os.Environ(), "HANSA_HOME="+ts.Getenv("HANSA_HOME"))
	command.Cancel = func() error { return command.Process.Signal(os.Interrupt) }
	output, both, err := os.Pipe()
	ts.Check(err)
	defer output.Close()
	command.Stdout, command.Stderr = both, both
	ts.Check(command.Start())
	ts.Check(both.Close())
	seen := false
	for lines := bufio.NewScanner(output); lines.Scan(); {
		fmt.Fprintln(ts.Stdout(), lines.Text())
		if pattern.MatchString(lines.Text()) {
			seen = true
			cancel()
		}
	}
	err = command.Wait()
	want := 0
	if fails {
		want = 1
	}
	if code := command.ProcessState.ExitCode(); code != want || !seen {
		ts.Fatalf("exit code %d (%v), %q seen: %v", code, err, args[0], seen)
	}
}

var (
	moment = regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z`)
	port   = regexp.MustCompile(`127\.0\.0\.1:\d+`)
)

// settled FILE writes the last standard output to a file, without what differs
// from run to run: times and the gateway's port.
func settled(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 1 {
		ts.Fatalf("usage: settled FILE")
	}
	text := moment.ReplaceAllString(ts.ReadFile("stdout"), "TIME")
	text = port.ReplaceAllString(text, "GATEWAY")
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(text), 0o600))
}
