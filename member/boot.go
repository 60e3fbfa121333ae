package member

import (
	"os"
	"strconv"
	"strings"
	"time"
)

// uptimeStep is how finely the kernel tells how long it has been up; it rounds down.
const uptimeStep = 10 * time.Millisecond

// bootClock names the present boot of the machine, and says how long ago it began. An
// empty name means that neither is known, as on anything but Linux.
func bootClock() (boot string, since time.Duration) {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", 0
	}
	clocks, err := os.Readlink("/proc/self/ns/time") // a container may have clocks of its own
	if err != nil {
		return "", 0
	}
	up, err := os.ReadFile("/proc/uptime")
	if err != nil {
		return "", 0
	}
	seconds, _, _ := strings.Cut(string(up), " ")
	parsed, err := strconv.ParseFloat(seconds, 64)
	if err != nil {
		return "", 0
	}
	return strings.TrimSpace(string(id)) + " " + clocks, time.Duration(parsed * float64(time.Second))
}
