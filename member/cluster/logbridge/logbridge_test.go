package logbridge

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"go.uber.org/zap"
	"k8s.io/klog/v2"
)

// newLog returns a logger that writes level, message and attributes, and what
// it has written.
func newLog(level slog.Level) (slog.Handler, *bytes.Buffer) {
	out := &bytes.Buffer{}
	return slog.NewTextHandler(out, &slog.HandlerOptions{Level: level, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}), out
}

func check(t *testing.T, out *bytes.Buffer, want ...string) {
	t.Helper()
	got := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Fatalf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	out.Reset()
}

func TestGateThatPasses(t *testing.T) {
	handler, out := newLog(slog.LevelWarn)
	gate := NewGate(handler)
	log := slog.New(gate).With("part", "x")
	log.Error("while starting")
	check(t, out, "")
	log.Log(t.Context(), LevelFatal, "last words")
	check(t, out, `level=ERROR+4 msg="last words" part=x`)
	gate.Pass()
	log.Info("too low")
	log.Warn("while running")
	check(t, out, `level=WARN msg="while running" part=x`)
	gate.End(true)
	log.Error("while stopping")
	check(t, out, "")
}

func TestGateThatEndsEarly(t *testing.T) {
	for _, show := range []bool{true, false} {
		handler, out := newLog(slog.LevelWarn)
		gate := NewGate(handler)
		slog.New(gate).WithGroup("g").Warn("while starting", "a", 1)
		gate.End(show)
		slog.New(gate).Warn("while stopping")
		if show {
			check(t, out, `level=WARN msg="while starting" g.a=1`)
		} else {
			check(t, out, "")
		}
	}
}

func TestGateKeepsFirst(t *testing.T) {
	handler, out := newLog(slog.LevelWarn)
	gate := NewGate(handler)
	for range maxHeld + 5 {
		slog.New(gate).Warn("again")
	}
	gate.End(true)
	if got := strings.Count(out.String(), "again"); got != maxHeld {
		t.Fatalf("kept %d, want %d", got, maxHeld)
	}
}

func TestGateForDebuggingKeepsNothing(t *testing.T) {
	handler, out := newLog(slog.LevelInfo)
	slog.New(NewGate(handler)).Warn("while starting")
	check(t, out, `level=WARN msg="while starting"`)
}

func TestCapture(t *testing.T) {
	before := slog.Default()
	defer slog.SetDefault(before)
	handler, out := newLog(slog.LevelDebug)
	if err := Capture(slog.New(handler)); err != nil {
		t.Fatal(err)
	}
	failed := errors.New("no")
	klog.Info("begun")
	klog.Warningf("odd %d", 1)
	klog.ErrorS(failed, "Broken", "pod", "a")
	klog.Background().WithName("UnhandledError").Error(failed, "Retried")
	klog.LoggerWithValues(klog.Background(), "logger", "UnhandledError").Error(failed, "Retried")
	klog.Flush()
	slog.Default().Warn("kwok")
	got := out.String()
	for _, want := range []string{
		`level=DEBUG msg=begun part=kubernetes at=logbridge_test.go:`,
		`level=INFO msg="odd 1" part=kubernetes at=`,
		`level=WARN msg="\"Broken\" err=\"no\" pod=\"a\"" part=kubernetes at=`,
		`level=INFO msg="\"Retried\" err=\"no\" logger=\"UnhandledError\"" part=kubernetes at=`,
		`level=WARN msg=kwok`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%s is not in\n%s", want, got)
		}
	}
}

func TestKlogWriterTakesAnything(t *testing.T) {
	handler, out := newLog(slog.LevelDebug)
	writer := klogWriter{log: slog.New(handler)}
	for _, line := range []string{"", "\n", "x", "F1123 10:00:00.000000 1 a.go:1] gone\n", "no bracket\n"} {
		if n, err := writer.Write([]byte(line)); n != len(line) || err != nil {
			t.Fatalf("%q: %d, %v", line, n, err)
		}
	}
	if !strings.Contains(out.String(), `level=ERROR+4 msg=gone at=a.go:1`) {
		t.Fatalf("got %s", out)
	}
}

func TestZap(t *testing.T) {
	handler, out := newLog(slog.LevelInfo)
	exits := 0
	logger := newZap(slog.New(handler), func() { exits++ }).With(zap.String("member", "m"))
	logger.Debug("too low")
	logger.Info("begun", zap.Int("term", 2))
	logger.Error("broken", zap.Error(errors.New("no")))
	check(t, out, `level=INFO msg=begun member=m term=2`, `level=ERROR msg=broken member=m error=no`)
	logger.Panic("damaged")
	logger.Fatal("gone")
	check(t, out, `level=ERROR+4 msg=damaged member=m`, `level=ERROR+4 msg=gone member=m`)
	if exits != 2 {
		t.Fatalf("%d exits, want 2", exits)
	}
}
