package flow

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Kind is what a frame is for.
type Kind byte

// The kinds of frames. Those of the beginning and Close have no number.
const (
	Open   Kind = 1 + iota // dialer → member, where it listens: Terms
	Accept                 // member → dialer: it hears the pipe; Terms
	Check                  // dialer → member, in the pipe: does this way work?
	Ready                  // member → dialer: it does; numbered frames follow
	Data                   // bytes of the stream
	Credit                 // nothing but how many bytes were taken
	Close                  // the end of the pipe: an Ending
)

// numbered reports whether frames of the kind count.
func (k Kind) numbered() bool { return k == Data || k == Credit }

// Frame is one message of a pipe.
type Frame struct {
	Kind    Kind
	Number  uint64 // of numbered frames, from 1
	Taken   uint64 // bytes that the sender's reader has taken so far
	Payload []byte
}

// HeaderSize is how many bytes a frame has before its payload.
const HeaderSize = 17

// MaxPayload is the largest payload of one frame, in bytes.
const MaxPayload = 64 << 10

// ErrFrame: bytes that are no frame, or one that cannot stand where it came.
var ErrFrame = errors.New("malformed frame")

// Encode returns the frame as bytes.
func (f Frame) Encode() []byte {
	b := make([]byte, HeaderSize+len(f.Payload))
	b[0] = byte(f.Kind)
	binary.BigEndian.PutUint64(b[1:], f.Number)
	binary.BigEndian.PutUint64(b[9:], f.Taken)
	copy(b[HeaderSize:], f.Payload)
	return b
}

// Decode is the inverse of Encode. The payload is part of b.
func Decode(b []byte) (Frame, error) {
	if len(b) < HeaderSize || len(b) > HeaderSize+MaxPayload {
		return Frame{}, fmt.Errorf("%w: %d bytes", ErrFrame, len(b))
	}
	f := Frame{
		Kind: Kind(b[0]), Number: binary.BigEndian.Uint64(b[1:]), Taken: binary.BigEndian.Uint64(b[9:]),
		Payload: b[HeaderSize:],
	}
	switch {
	case f.Kind < Open || f.Kind > Close:
		return Frame{}, fmt.Errorf("%w: kind %d", ErrFrame, f.Kind)
	case f.Kind.numbered() != (f.Number > 0):
		return Frame{}, fmt.Errorf("%w: kind %d with number %d", ErrFrame, f.Kind, f.Number)
	case (f.Kind == Data) != (len(f.Payload) > 0) && (f.Kind == Data || f.Kind == Credit):
		return Frame{}, fmt.Errorf("%w: kind %d with %d bytes", ErrFrame, f.Kind, len(f.Payload))
	}
	return f, nil
}

// version of the pipe's protocol.
const version = 1

// Terms are what an end of a pipe says of itself before it begins.
type Terms struct {
	Window int // bytes that the other end may have under way to this one
}

// The smallest and largest window that an end may offer, in bytes. The smallest has
// room for a frame of MaxPayload while the peer keeps a sixteenth of it to itself.
const (
	MinWindow = 2 * MaxPayload
	MaxWindow = 64 << 20
)

// Encode returns the payload of an Open, Accept, Check or Ready.
func (t Terms) Encode() []byte {
	return binary.BigEndian.AppendUint32([]byte{version}, uint32(t.Window))
}

// DecodeTerms is the inverse of Encode; it ignores what a later version appends.
func DecodeTerms(b []byte) (Terms, error) {
	if len(b) < 5 || b[0] != version {
		return Terms{}, fmt.Errorf("%w: terms of another version", ErrFrame)
	}
	t := Terms{Window: int(binary.BigEndian.Uint32(b[1:]))}
	if t.Window < MinWindow || t.Window > MaxWindow {
		return Terms{}, fmt.Errorf("%w: a window of %d bytes", ErrFrame, t.Window)
	}
	return t, nil
}
