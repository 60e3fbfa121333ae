package sim

import (
	"flag"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

var (
	seeds = flag.Int("seeds", 500, "how many random runs")
	first = flag.Uint64("first", 1, "the first seed")
	worst = flag.Int("worst", 3, "stop after so many failing seeds")
	whole = flag.Bool("transcript", false, "print the transcript of a failing run, shrunk")
)

// TestSeeds runs random scripts, each twice: every law holds after every step,
// every promise when the faults are over, and both runs are equal to the letter.
// One seed alone, with its transcript: -first=N -seeds=1 -transcript.
func TestSeeds(t *testing.T) {
	t.Logf("seeds %d to %d", *first, *first+uint64(*seeds)-1)
	var next atomic.Uint64
	var failed atomic.Int32
	next.Store(*first)
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for {
				seed := next.Add(1) - 1
				if seed >= *first+uint64(*seeds) || int(failed.Load()) >= *worst {
					return
				}
				if report := runSeed(seed); report != "" {
					failed.Add(1)
					t.Error(report)
				}
			}
		})
	}
	wg.Wait()
}

// runSeed returns what went wrong, with the smallest script that shows it.
func runSeed(seed uint64) string {
	script := Draw(seed)
	w, err := Play(script, seed, Hooks{})
	again, _ := Play(script, seed, Hooks{})
	if a, b := w.Fingerprint(), again.Fingerprint(); a != b {
		return fmt.Sprintf("%s: two runs differ: %s and %s", head(seed), a, b)
	}
	if err == nil {
		return ""
	}
	small := Shrink(script, seed, Hooks{})
	w, smallErr := Play(small, seed, Hooks{})
	text := fmt.Sprintf("%s: %v\nreplay: go test ./test/sim -run TestSeeds -first=%d -seeds=1 -transcript\nshrunk from %d to %d commands: %v\n%s",
		head(seed), err, seed, len(script), len(small), smallErr, Scenario("What it shows.", seed, small))
	if *whole {
		text += strings.TrimRight(w.Take(), "\n")
	}
	return text
}
