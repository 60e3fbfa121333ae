package logbridge

import (
	"context"
	"log/slog"
	"sync"
)

// maxHeld is how many records a gate keeps while the cluster starts.
const maxHeld = 200

// LevelFatal is the level of the last words of a component that ends the
// process.
const LevelFatal = slog.LevelError + 4

// Gate is a handler for what the components log. While a cluster starts they
// complain about parts that are not there yet, and while it stops about parts
// that are gone; neither helps anybody unless the start fails. Its methods are
// safe for concurrent use.
//
// Laws: a new gate keeps records back, the first maxHeld of them, except those
// of LevelFatal; Pass drops what was kept and lets later records through; End
// drops every later one. A gate whose next handler wants info, because somebody
// is looking for a fault, keeps nothing back.
type Gate struct {
	next  slog.Handler
	state *gateState
}

type gateState struct {
	mu    sync.Mutex
	phase gatePhase
	held  []func()
}

type gatePhase int

const (
	gateHolding gatePhase = iota
	gatePassing
	gateShut
)

// NewGate returns a gate in front of next.
func NewGate(next slog.Handler) *Gate {
	g := &Gate{next: next, state: &gateState{}}
	if next.Enabled(context.Background(), slog.LevelInfo) {
		g.Pass()
	}
	return g
}

// Pass is for when the start has succeeded.
func (g *Gate) Pass() { g.state.enter(gatePassing) }

// End is for when the stop begins. With show, what was kept back comes out
// first: it may tell why a start failed.
func (g *Gate) End(show bool) {
	for _, handle := range g.state.enter(gateShut) {
		if show {
			handle()
		}
	}
}

// Enabled is that of the next handler.
func (g *Gate) Enabled(ctx context.Context, level slog.Level) bool {
	return g.next.Enabled(ctx, level)
}

// Handle holds, passes or drops the record.
func (g *Gate) Handle(ctx context.Context, record slog.Record) error {
	record = record.Clone()
	if g.state.keepBack(record.Level, func() { _ = g.next.Handle(ctx, record) }) {
		return nil
	}
	return g.next.Handle(ctx, record)
}

// WithAttrs returns a gate with the same state.
func (g *Gate) WithAttrs(attributes []slog.Attr) slog.Handler {
	return &Gate{next: g.next.WithAttrs(attributes), state: g.state}
}

// WithGroup returns a gate with the same state.
func (g *Gate) WithGroup(name string) slog.Handler {
	return &Gate{next: g.next.WithGroup(name), state: g.state}
}

// keepBack reports whether the record was held or dropped.
func (s *gateState) keepBack(level slog.Level, handle func()) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.phase == gatePassing, s.phase == gateHolding && level >= LevelFatal:
		return false
	case s.phase == gateHolding && len(s.held) < maxHeld:
		s.held = append(s.held, handle)
	}
	return true
}

// enter changes the phase and returns what was held so far.
func (s *gateState) enter(phase gatePhase) []func() {
	s.mu.Lock()
	defer s.mu.Unlock()
	held := s.held
	s.phase, s.held = phase, nil
	return held
}
