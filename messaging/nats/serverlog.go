package nats

import (
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// repeatLog is how long a complaint of the server is not repeated: while another server
// is away it tells so every second for each route.
const repeatLog = 10 * time.Second

// serverLog passes the server's log on, its notices as debug lines.
type serverLog struct {
	log     *slog.Logger
	suspect *atomic.Bool

	mu   sync.Mutex
	text string               // of the last complaint
	told map[string]time.Time // by format
}

// newServerLog sets suspect when the server says that a write has failed.
func newServerLog(log *slog.Logger, suspect *atomic.Bool) *serverLog {
	return &serverLog{log: log, suspect: suspect, told: map[string]time.Time{}}
}

func (l *serverLog) put(level slog.Level, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if level >= slog.LevelError && strings.Contains(text, "write error") {
		l.suspect.Store(true)
	}
	if level >= slog.LevelWarn && !l.complains(format, text) {
		level = slog.LevelDebug
	}
	if l.log != nil {
		l.log.Log(nil, level, "bus: "+text) //nolint:staticcheck // the server has no context
	}
}

// complains notes a complaint and reports whether it is news.
func (l *serverLog) complains(format, text string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text = text
	if time.Since(l.told[format]) < repeatLog {
		return false
	}
	l.told[format] = time.Now()
	return true
}

func (l *serverLog) last() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.text == "" {
		return "not ready in time"
	}
	return l.text
}

func (l *serverLog) Noticef(f string, v ...any) { l.put(slog.LevelDebug, f, v...) }
func (l *serverLog) Warnf(f string, v ...any)   { l.put(slog.LevelWarn, f, v...) }
func (l *serverLog) Fatalf(f string, v ...any)  { l.put(slog.LevelError, f, v...) }
func (l *serverLog) Errorf(f string, v ...any)  { l.put(slog.LevelError, f, v...) }
func (l *serverLog) Debugf(f string, v ...any)  { l.put(slog.LevelDebug, f, v...) }
func (l *serverLog) Tracef(string, ...any)      {}
