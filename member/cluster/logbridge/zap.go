package logbridge

import (
	"context"
	"log/slog"
	"os"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// NewZap returns a logger for etcd that writes to log. Where etcd would panic or
// end the process, which it does when its files are damaged, the process exits
// with 1 after the line that says so.
func NewZap(log *slog.Logger) *zap.Logger {
	return newZap(log, func() { os.Exit(1) })
}

func newZap(log *slog.Logger, exit func()) *zap.Logger {
	return zap.New(zapBridge{log: log}, zap.WithPanicHook(onFatal(exit)), zap.WithFatalHook(onFatal(exit)))
}

// onFatal is what happens after the last words.
type onFatal func()

// OnWrite is called with them written.
func (f onFatal) OnWrite(*zapcore.CheckedEntry, []zapcore.Field) { f() }

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
	case level > zapcore.ErrorLevel:
		return LevelFatal
	case level == zapcore.ErrorLevel:
		return slog.LevelError
	case level == zapcore.WarnLevel:
		return slog.LevelWarn
	case level == zapcore.InfoLevel:
		return slog.LevelInfo
	default:
		return slog.LevelDebug
	}
}
