package cluster

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"log/slog"
	"strings"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"k8s.io/klog/v2"
)

// captureLogs sends what Kubernetes, kwok and the standard library log to log,
// for the whole process.
func captureLogs(log *slog.Logger) error {
	slog.SetDefault(log)
	flags := flag.NewFlagSet("klog", flag.ContinueOnError)
	klog.InitFlags(flags)
	for _, setting := range [][2]string{
		{"logtostderr", "false"}, {"alsologtostderr", "false"}, {"stderrthreshold", "FATAL"}, {"one_output", "true"},
	} {
		if err := flags.Set(setting[0], setting[1]); err != nil {
			return fmt.Errorf("set klog flag %s: %w", setting[0], err)
		}
	}
	out := klogWriter{log: log.With("part", "kubernetes")}
	for _, severity := range []string{"INFO", "WARNING", "ERROR", "FATAL"} {
		klog.SetOutputBySeverity(severity, out)
	}
	return nil
}

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
		return slog.LevelError
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

// newZapLogger returns a logger for etcd that writes to log.
func newZapLogger(log *slog.Logger) *zap.Logger {
	return zap.New(zapBridge{log: log})
}

// zapBridge is a zap core that hands entries to slog.
type zapBridge struct {
	log *slog.Logger
}

func (b zapBridge) Enabled(level zapcore.Level) bool {
	return b.log.Enabled(context.Background(), zapLevel(level))
}

func (b zapBridge) With(fields []zapcore.Field) zapcore.Core {
	return zapBridge{log: slog.New(b.log.Handler().WithAttrs(zapAttributes(fields)))}
}

func (b zapBridge) Check(entry zapcore.Entry, checked *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if b.Enabled(entry.Level) {
		return checked.AddCore(entry, b)
	}
	return checked
}

func (b zapBridge) Write(entry zapcore.Entry, fields []zapcore.Field) error {
	b.log.LogAttrs(context.Background(), zapLevel(entry.Level), entry.Message, zapAttributes(fields)...)
	return nil
}

func (b zapBridge) Sync() error { return nil }

func zapAttributes(fields []zapcore.Field) []slog.Attr {
	encoder := zapcore.NewMapObjectEncoder()
	attributes := make([]slog.Attr, 0, len(fields))
	for _, field := range fields {
		field.AddTo(encoder)
		attributes = append(attributes, slog.Any(field.Key, encoder.Fields[field.Key]))
	}
	return attributes
}

func zapLevel(level zapcore.Level) slog.Level {
	switch {
	case level >= zapcore.ErrorLevel:
		return slog.LevelError
	case level == zapcore.WarnLevel:
		return slog.LevelWarn
	case level == zapcore.InfoLevel:
		return slog.LevelInfo
	default:
		return slog.LevelDebug
	}
}
