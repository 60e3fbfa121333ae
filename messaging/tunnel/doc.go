// Package tunnel makes streams over the bus of nothing but its roles Publisher and
// Subscriber, the same over NATS and in the process.
//
// Between a dialer (hub or gateway) and a member there is one pipe while there are
// streams, and for a minute after: an ordered stream of bytes in frames, as package
// flow says, whose subjects nobody else may speak or hear. Streams are multiplexed on
// it by yamux (the fork of libp2p, which has half-close, reset with a code and
// windows that the receiver enforces), so that a slow reader stops its own stream at
// one window and no other.
//
// Bounds: what is on its way between two ends is at most pipeWindow, what a reader
// has not taken at most messaging.StreamWindow for each stream, and a pipe has at most
// maxStreams streams. Only dialers open streams; a member's attempt is reset.
//
// Liveness: each end sends a frame at least every beat, and ends the pipe when it
// heard nothing for silence, when a frame is missing, or when its connection to the
// bus is lost. All streams of the pipe end then with ErrDisconnected, and the next
// Open makes a new pipe.
package tunnel
