// Package supervise runs the parts of one process: started in order, stopped in
// the opposite order, and ended together when one of them ends by itself.
//
// It knows nothing of what the parts are. A part that does not stop in time is
// named and left; it ends with the process.
package supervise
