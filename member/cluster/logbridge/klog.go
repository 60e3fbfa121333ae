package logbridge

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"strings"

	"k8s.io/klog/v2"
)

// Capture sends what Kubernetes, kwok and the standard library log to log, for
// the whole process. A component that ends the process makes it exit with 1.
func Capture(log *slog.Logger) error {
	slog.SetDefault(log)
	flags := flag.NewFlagSet("klog", flag.ContinueOnError)
	klog.InitFlags(flags)
	for _, setting := range [][2]string{
		{"logtostderr", "false"}, {"alsologtostderr", "false"}, {"stderrthreshold", neverToStderr}, {"one_output", "true"},
	} {
		if err := flags.Set(setting[0], setting[1]); err != nil {
			return fmt.Errorf("set klog flag %s: %w", setting[0], err)
		}
	}
	out := klogWriter{log: log.With("part", "kubernetes")}
	for _, severity := range []string{"INFO", "WARNING", "ERROR", "FATAL"} {
		klog.SetOutputBySeverity(severity, out)
	}
	klog.OsExit = func(int) { os.Exit(1) }
	return nil
}

// neverToStderr is a severity above fatal.
const neverToStderr = "4"

// klogWriter turns lines of klog into records.
type klogWriter struct {
	log *slog.Logger
}

// Write takes one message of klog: a severity letter, time and place up to
// "] ", then the text.
func (w klogWriter) Write(line []byte) (int, error) {
	level := klogLevel(line)
	if w.log.Enabled(context.Background(), level) {
		header, text, found := bytes.Cut(line, []byte("] "))
		if !found {
			header, text = nil, line
		}
		place := header[bytes.LastIndexByte(header, ' ')+1:]
		w.log.Log(context.Background(), level, strings.TrimSpace(string(text)), "at", string(place))
	}
	return len(line), nil
}

// klogLevel maps the severity letter of a line one step down: Kubernetes warns
// of what is normal at every start. Errors that a component reported only to
// have them seen, because it tries again by itself, are no more than that.
func klogLevel(line []byte) slog.Level {
	if len(line) == 0 {
		return slog.LevelDebug
	}
	switch line[0] {
	case 'F':
		return LevelFatal
	case 'E':
		if bytes.Contains(line, []byte(`logger="UnhandledError"`)) {
			return slog.LevelInfo
		}
		return slog.LevelWarn
	case 'W':
		return slog.LevelInfo
	default:
		return slog.LevelDebug
	}
}
