package e2e

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"

	"github.com/hansa-io/hansa/member/cluster/images"
)

// terminal is kubectl as a person runs it, at a terminal.
type terminal struct {
	reach
	out     *growing
	pty     *os.File
	command *exec.Cmd
	ended   chan struct{}
}

// terminal starts kubectl through the gateway at a terminal of 30 lines and 90 columns.
func (r reach) terminal(t *testing.T, args ...string) *terminal {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	command := exec.CommandContext(ctx, filepath.Join(r.path, "kubectl"), append([]string{"--kubeconfig", r.kubeconfig}, args...)...)
	command.Env = append(os.Environ(), "TERM=xterm")
	file, err := pty.StartWithSize(command, &pty.Winsize{Rows: 30, Cols: 90})
	if err != nil {
		t.Fatal(err)
	}
	x := &terminal{reach: r, out: &growing{}, pty: file, command: command, ended: make(chan struct{})}
	go func() {
		defer close(x.ended)
		_, _ = io.Copy(x.out, file) // it ends with an error when the other side is closed
		x.out.end(command.Wait())
	}()
	t.Cleanup(func() {
		cancel()
		<-x.ended
		_ = file.Close()
	})
	return x
}

// types types a text, every few seconds again, until the answer is on the screen: what is
// typed before the other side listens is lost.
func (x *terminal) types(t *testing.T, text, answer string) {
	t.Helper()
	var typed time.Time
	x.await(t, 30*time.Second, func() string {
		if strings.Contains(x.screen(), answer) {
			return ""
		}
		if time.Since(typed) > 3*time.Second {
			if _, err := x.pty.WriteString(text); err != nil {
				return err.Error()
			}
			typed = time.Now()
		}
		return "no " + answer + " on the screen:\n" + x.screen()
	})
}

func (x *terminal) screen() string {
	x.out.mu.Lock()
	defer x.out.mu.Unlock()
	return x.out.text.String()
}

// ends waits for the end of kubectl and returns its exit code.
func (x *terminal) ends(t *testing.T) int {
	t.Helper()
	select {
	case <-x.ended:
	case <-time.After(30 * time.Second):
		t.Fatalf("kubectl does not end:\n%s", x.screen())
	}
	return x.command.ProcessState.ExitCode()
}

const shells = `apiVersion: v1
kind: Pod
metadata: {name: shell}
spec:
  terminationGracePeriodSeconds: 0
  containers: [{name: shell, image: ` + images.Toolbox + `, command: [sh], stdin: true, tty: true}]
---
apiVersion: v1
kind: Pod
metadata: {name: echo}
spec:
  terminationGracePeriodSeconds: 0
  restartPolicy: Never
  containers: [{name: echo, image: ` + images.Toolbox + `, command: [cat], stdin: true, stdinOnce: true}]
`

// checkTerminal works at a terminal in pods of real nodes, through gateway and bus: exec,
// attach and run, with sizes, an interrupt and exit codes.
func checkTerminal(t *testing.T, f federation) {
	r := reach{federation: f, kubeconfig: f.through(t, "tokyo")}
	x := r.terminal(t, "exec", "-it", "toolbox", "--", "sh")
	x.types(t, "stty size\n", "30 90")
	if err := pty.Setsize(x.pty, &pty.Winsize{Rows: 50, Cols: 120}); err != nil {
		t.Fatal(err)
	}
	x.types(t, "stty size\n", "50 120")
	x.types(t, "echo begun; sleep 1000\n", "\nbegun")
	x.types(t, "\x03\necho ended $((6*7))\n", "ended 42")
	if _, err := x.pty.WriteString("exit 7\n"); err != nil {
		t.Fatal(err)
	}
	if code := x.ends(t); code != 7 {
		t.Errorf("exec ends with %d:\n%s", code, x.screen())
	}

	f.put(t, "tokyo", shells)
	f.kubectl(t, "tokyo", "wait", "--for=condition=Ready", "pod/shell", "pod/echo", "--timeout=30s")
	for _, word := range []string{"a", "b"} { // whoever leaves can come back
		x = r.terminal(t, "attach", "-it", "shell")
		x.types(t, "echo "+word+"$((6*7))\n", word+"42")
		x.types(t, "stty size\n", "30 90") // at first kubectl says one more of both, so that what is there draws itself
		if err := x.command.Process.Signal(os.Interrupt); err != nil && !errors.Is(err, os.ErrProcessDone) {
			t.Fatal(err)
		}
		x.ends(t)
	}
	if got := f.kubectl(t, "tokyo", "get", "pod", "shell", "-o", "jsonpath={.status.containerStatuses[0].restartCount} {.status.phase}"); got != "0 Running" {
		t.Errorf("the pod is %s after attach", got)
	}
	if out := f.run(t, "sh", "-c", "printf 'there and back' | kubectl --kubeconfig "+r.kubeconfig+" attach -i echo"); !strings.Contains(out, "there and back") {
		t.Errorf("attach without a terminal: %s", out)
	}
	f.kubectl(t, "tokyo", "wait", "--for=jsonpath={.status.phase}=Succeeded", "pod/echo", "--timeout=30s")

	x = r.terminal(t, "run", "once", "-it", "--rm", "--restart=Never", "--image="+images.Toolbox, "--image-pull-policy=Never", "--command", "--", "sh")
	x.types(t, "echo run $((6*7)); exit\n", "run 42")
	if code := x.ends(t); code != 0 {
		t.Errorf("run ends with %d:\n%s", code, x.screen())
	}
	f.kubectl(t, "tokyo", "delete", "pod", "shell", "echo", "--now")
}
