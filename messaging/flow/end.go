package flow

import (
	"errors"
	"fmt"
)

// Errors by which a pipe ends; see the laws in the package's doc.
var (
	ErrGap    = errors.New("frames were lost")
	ErrWindow = errors.New("the other end sends more than its window")
	ErrCredit = errors.New("the other end counts wrongly what it has taken")
)

// End is one end of a pipe that has begun. Whoever holds it calls one method at a
// time and sends frames in the order in which they were made.
type End struct {
	own, peer    uint64 // windows, in bytes
	out, in      uint64 // numbers of the last frames sent and received
	sent, freed  uint64 // bytes sent, and of them taken by the peer's reader
	heard, taken uint64 // bytes received, and of them taken by our reader
	told         uint64 // of taken, what the peer knows
}

// NewEnd returns an end whose peer may have own bytes under way to it, and that may
// have peer bytes under way itself.
func NewEnd(own, peer Terms) *End {
	return &End{own: uint64(own.Window), peer: uint64(peer.Window)}
}

// Room is how many bytes may be sent now.
func (e *End) Room() int { return int(e.peer - (e.sent - e.freed)) }

// Waiting is how many received bytes the reader has not taken.
func (e *End) Waiting() int { return int(e.heard - e.taken) }

// Data makes the frame that carries payload, which must fit into Room.
func (e *End) Data(payload []byte) Frame {
	if len(payload) == 0 || len(payload) > e.Room() {
		panic(fmt.Sprintf("flow: %d bytes with room for %d", len(payload), e.Room())) // the caller asked Room
	}
	e.sent += uint64(len(payload))
	return e.frame(Data, payload)
}

// Credit makes the frame that tells the peer what was taken.
func (e *End) Credit() Frame { return e.frame(Credit, nil) }

func (e *End) frame(kind Kind, payload []byte) Frame {
	e.out++
	e.told = e.taken
	return Frame{Kind: kind, Number: e.out, Taken: e.taken, Payload: payload}
}

// Receive takes in a numbered frame. After an error the pipe is over.
func (e *End) Receive(f Frame) error {
	switch {
	case !f.Kind.numbered():
		return fmt.Errorf("%w: kind %d in a pipe that has begun", ErrFrame, f.Kind)
	case f.Number != e.in+1:
		return fmt.Errorf("%w: frame %d came after frame %d", ErrGap, f.Number, e.in)
	case f.Taken < e.freed || f.Taken > e.sent:
		return fmt.Errorf("%w: %d bytes after %d, of %d sent", ErrCredit, f.Taken, e.freed, e.sent)
	case e.heard+uint64(len(f.Payload))-e.taken > e.own:
		return fmt.Errorf("%w of %d bytes", ErrWindow, e.own)
	}
	e.in, e.freed = f.Number, f.Taken
	e.heard += uint64(len(f.Payload))
	return nil
}

// Take notes that the reader took n of the bytes that wait, and reports whether the
// peer should be told now: a sixteenth of the window at a time, so that a writer at
// the end of a slow line does not wait long.
func (e *End) Take(n int) bool {
	if n < 0 || n > e.Waiting() {
		panic(fmt.Sprintf("flow: took %d of %d bytes", n, e.Waiting())) // the reader invents bytes
	}
	e.taken += uint64(n)
	return e.taken-e.told >= e.own/16
}
