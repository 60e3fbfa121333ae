package member

import (
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// bootClock names the present boot of the machine, and says how long ago it began. An
// empty name means that neither is known.
func bootClock() (boot string, since time.Duration) {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", 0
	}
	clocks, err := os.Readlink("/proc/self/ns/time") // a container may have clocks of its own
	if err != nil {
		return "", 0
	}
	var at unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &at); err != nil {
		return "", 0
	}
	return strings.TrimSpace(string(id)) + " " + clocks, time.Duration(at.Nano())
}
