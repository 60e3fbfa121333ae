package cluster

import (
	"context"
	"log/slog"
	"sync"
)

// maxHeld is how many records a gate keeps while the cluster starts.
const maxHeld = 200

// gate is a handler for what the components log. While a cluster starts they
// complain about parts that are not there yet, and while it stops about parts
// that are gone; neither helps anybody unless the start fails.
//
// Laws: a holding gate keeps records back, the first maxHeld of them, except
// errors, after which a component may end the process; pass drops what was kept
// and lets later records through; end drops every later one. A gate whose next
// handler wants info, because somebody is looking for a fault, never holds.
type gate struct {
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

func newGate(next slog.Handler) *gate {
	g := &gate{next: next, state: &gateState{}}
	if next.Enabled(context.Background(), slog.LevelInfo) {
		g.pass()
	}
	return g
}

// pass is called when the start has succeeded.
func (g *gate) pass() { g.state.enter(gatePassing) }

// end is called when the stop begins. With show, what was kept back comes out
// first: it may tell why a start failed.
func (g *gate) end(show bool) {
	for _, handle := range g.state.enter(gateShut) {
		if show {
			handle()
		}
	}
}

// Enabled is that of the next handler.
func (g *gate) Enabled(ctx context.Context, level slog.Level) bool {
	return g.next.Enabled(ctx, level)
}

// Handle holds, passes or drops the record.
func (g *gate) Handle(ctx context.Context, record slog.Record) error {
	record = record.Clone()
	if g.state.keepBack(record.Level, func() { _ = g.next.Handle(ctx, record) }) {
		return nil
	}
	return g.next.Handle(ctx, record)
}

// WithAttrs returns a gate with the same state.
func (g *gate) WithAttrs(attributes []slog.Attr) slog.Handler {
	return &gate{next: g.next.WithAttrs(attributes), state: g.state}
}

// WithGroup returns a gate with the same state.
func (g *gate) WithGroup(name string) slog.Handler {
	return &gate{next: g.next.WithGroup(name), state: g.state}
}

// keepBack reports whether the record was held or dropped.
func (s *gateState) keepBack(level slog.Level, handle func()) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.phase == gatePassing, s.phase == gateHolding && level >= slog.LevelError:
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
