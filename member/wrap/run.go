package wrap

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"syscall"
	"time"
)

const (
	// askEvery is how often the agent is asked.
	askEvery = time.Second
	// DefaultGrace is how long the command may take to end; a lease leaves 5 s for it.
	DefaultGrace = 3 * time.Second
	// LeaseEnded is the exit code after the lease ended and the command was stopped; a
	// kubelet starts the container again, which then waits for a lease.
	LeaseEnded = 75
)

// Options of Run.
type Options struct {
	Asker   *Asker
	Command []string
	Grace   time.Duration // between SIGTERM and SIGKILL
	Log     *slog.Logger
}

// Await returns once the workload may run, with the time until which it may, or with
// the error of ctx.
func Await(ctx context.Context, asker *Asker, log *slog.Logger) (time.Time, error) {
	ticker := time.NewTicker(askEvery)
	defer ticker.Stop()
	for last := ""; ; {
		sent := time.Now()
		left, err := asker.Left(ctx)
		if err == nil {
			return sent.Add(left), nil
		}
		if ctx.Err() == nil && err.Error() != last {
			last = err.Error()
			log.Info("waiting for the lease", "reason", last)
		}
		select {
		case <-ctx.Done():
			return time.Time{}, ctx.Err()
		case <-ticker.C:
		}
	}
}

// forwarded are the signals that go on to the command.
var forwarded = []os.Signal{
	syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTERM, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGWINCH,
}

// Run waits for the lease, runs the command as long as it holds, and returns its exit
// code, or LeaseEnded. Signals go on to the command; the end of ctx is a SIGTERM. It
// must have the process for itself: it collects every child, as the first process of a
// container has to.
func Run(ctx context.Context, o Options) (int, error) {
	path, err := exec.LookPath(o.Command[0])
	if err != nil {
		return 0, fmt.Errorf("find the command: %w", err)
	}
	until, err := Await(ctx, o.Asker, o.Log)
	if err != nil {
		return 0, err
	}
	signals := make(chan os.Signal, 64)
	signal.Notify(signals, append(forwarded, syscall.SIGCHLD)...)
	defer signal.Stop(signals)
	runtime.LockOSThread() // the kernel kills the command when the thread that started it ends: with this process, not before
	defer runtime.UnlockOSThread()
	child, err := os.StartProcess(path, o.Command, &os.ProcAttr{
		Files: []*os.File{os.Stdin, os.Stdout, os.Stderr}, Env: os.Environ(),
		Sys: &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL},
	})
	if err != nil {
		return 0, fmt.Errorf("start the command: %w", err)
	}
	r := &runner{Options: o, pid: child.Pid, until: until, signals: signals, answers: make(chan answer)}
	defer r.kill(syscall.SIGKILL) // whatever the command left behind
	return r.watch(ctx), nil
}

// runner watches over one run of the command.
type runner struct {
	Options
	pid     int
	until   time.Time
	signals chan os.Signal
	answers chan answer
	asking  bool
	ending  bool // the lease has ended
	told    bool // the command was asked to end
}

// answer is what the agent said to a question asked at sent.
type answer struct {
	sent time.Time
	left time.Duration
	err  error
}

func (r *runner) watch(ctx context.Context) int {
	ticker := time.NewTicker(askEvery)
	defer ticker.Stop()
	end := time.NewTimer(time.Until(r.until))
	defer end.Stop()
	asks, cancel := context.WithCancel(context.Background())
	defer cancel()
	done := ctx.Done()
	for {
		select {
		case <-done:
			done = nil
			r.tell(syscall.SIGTERM)
		case s := <-r.signals:
			if code, ended := r.take(s); ended {
				return code
			}
		case <-ticker.C:
			r.ask(asks)
		case a := <-r.answers:
			r.asking = false
			if r.learn(a) {
				end.Reset(time.Until(r.until))
			}
		case <-end.C:
			end.Reset(r.stop())
		}
	}
}

// ask asks in the background; one question at a time.
func (r *runner) ask(ctx context.Context) {
	if r.asking || r.ending {
		return
	}
	r.asking = true
	go func() {
		a := answer{sent: time.Now()}
		a.left, a.err = r.Asker.Left(ctx)
		select {
		case r.answers <- a:
		case <-ctx.Done():
		}
	}()
}

// learn takes an answer and says whether the end has moved. A denial ends the lease at
// once; no answer changes nothing.
func (r *runner) learn(a answer) bool {
	switch {
	case r.ending:
		return false
	case a.err == nil:
		r.until = a.sent.Add(a.left)
		return true
	case denied(a.err):
		r.Log.Warn("the lease was taken away", "reason", a.err)
		r.until = time.Now()
		return true
	}
	r.Log.Warn("the agent does not say that the lease goes on", "reason", a.err, "left", time.Until(r.until).Round(100*time.Millisecond).String())
	return false
}

// stop ends the command, at first politely, and says when to come again.
func (r *runner) stop() time.Duration {
	if r.ending {
		r.Log.Warn("the command did not end in time and is killed", "grace", r.Grace.String())
		r.kill(syscall.SIGKILL)
		return askEvery
	}
	r.ending = true
	r.Log.Warn("the lease has ended, the command is stopped")
	r.kill(syscall.SIGTERM)
	return r.Grace
}

// take forwards a signal, or collects children, and returns the exit code once the
// command is among them.
func (r *runner) take(s os.Signal) (code int, ended bool) {
	if s != syscall.SIGCHLD {
		r.tell(s.(syscall.Signal))
		return 0, false
	}
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, syscall.WNOHANG, nil)
		switch {
		case err == syscall.EINTR:
		case err != nil || pid <= 0:
			return 0, false
		case pid == r.pid && r.ending:
			return LeaseEnded, true
		case pid == r.pid && status.Signaled():
			return 128 + int(status.Signal()), true
		case pid == r.pid:
			return status.ExitStatus(), true
		}
	}
}

// tell passes a signal on to the command.
func (r *runner) tell(s syscall.Signal) {
	if s == syscall.SIGTERM && r.told {
		return
	}
	r.told = r.told || s == syscall.SIGTERM
	_ = syscall.Kill(r.pid, s) // it may be gone already
}

// kill signals the command and what it started.
func (r *runner) kill(s syscall.Signal) {
	_ = syscall.Kill(-r.pid, s) // it may be gone already
}
