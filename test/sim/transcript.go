package sim

import (
	"fmt"
	"hash/fnv"
	"strings"
)

// transcript is what a world says. Lines for people are kept until they are
// taken; every line counts towards the hash by which two runs are compared.
type transcript struct {
	lines []string
	count int
	hash  uint64
}

// say writes a line: "t=4.07s  hub: eu Healthy -> Suspect".
func (w *World) say(format string, args ...any) {
	w.sayLine(fmt.Sprintf("t=%-7s ", fmt.Sprintf("%.2fs", w.Elapsed().Seconds())) + fmt.Sprintf(format, args...))
}

// head is the first line of every transcript, so that nobody takes it for one of
// a real federation.
func head(seed uint64) string { return fmt.Sprintf("simulated world, seed %d", seed) }

func (w *World) sayLine(line string) {
	w.out.lines = append(w.out.lines, line)
	w.out.count++
	h := fnv.New64a()
	fmt.Fprintf(h, "%d %s", w.out.hash, line)
	w.out.hash = h.Sum64()
}

// Take returns the lines since the last Take.
func (w *World) Take() string {
	lines := w.out.lines
	w.out.lines = nil
	if len(lines) == 0 {
		return ""
	}
	return strings.Join(lines, "\n") + "\n"
}

// Fingerprint identifies everything that was said and how much was done.
func (w *World) Fingerprint() string {
	return fmt.Sprintf("%016x after %d lines and %d steps", w.out.hash, w.out.count, w.steps)
}
