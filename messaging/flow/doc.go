// Package flow is the pure part of tunnels: the frames of a pipe over the bus, the
// machine that numbers them and keeps each end within its window, and the header
// of a stream. Package messaging/tunnel is the shell.
//
// A pipe is one ordered stream of bytes in each direction between a dialer (hub or
// gateway) and a member. Core messages may be lost, so a pipe is kept whole by three
// laws, each of which ends it when it is broken:
//
//  1. Frames are numbered from 1. A frame with any other number than the next one
//     means that something was lost or put in: ErrGap.
//  2. An end has at most its peer's window of bytes under way that the peer's reader
//     has not taken. More is ErrWindow.
//  3. Every frame says how many bytes its sender has taken in all, which never goes
//     back and is never more than was sent. Otherwise ErrCredit.
//
// How a pipe begins: the dialer asks (Open) where the member listens, the member
// begins to hear the pipe's frames and says so (Accept), the dialer asks the same in
// the pipe itself (Check), and the member answers (Ready), after which both ends may
// send. So no frame is sent before its way is known to every server of the bus.
package flow
