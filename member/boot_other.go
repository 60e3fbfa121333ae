//go:build !linux

package member

import "time"

// bootClock is not known here, so an agent that restarts has no lease.
func bootClock() (boot string, since time.Duration) { return "", 0 }
