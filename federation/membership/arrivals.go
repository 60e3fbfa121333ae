package membership

import (
	"math"
	"time"
)

const (
	// window is how many intervals between beats are remembered.
	window = 32
	// leastSigma keeps a very regular rhythm from making a small delay look
	// improbable.
	leastSigma = 100 * time.Millisecond
	// acceptablePause is added to the mean: a collection of garbage, a reconnect.
	acceptablePause = 500 * time.Millisecond
	// deviations is how many sigmas above the mean phi reaches 8.
	deviations = 5.2265
	// firstInterval is assumed before anything was heard.
	firstInterval = 250 * time.Millisecond
	// lossMemory is over how many beats the share of lost ones is averaged.
	lossMemory = 256
)

// arrivals remembers the rhythm of a member's beats, in seconds. The zero value
// has heard nothing.
type arrivals struct {
	last    [window]float32
	n, next int
	sum     float64
	squares float64
	loss    float64 // share of beats that did not arrive, 0 to 1
}

// add notes the interval between two beats, and how many were lost between them.
func (a *arrivals) add(interval time.Duration, lost uint64) {
	const keep = 1 - 1.0/lossMemory
	for range min(lost, lossMemory) {
		a.loss = a.loss*keep + 1.0/lossMemory
	}
	a.loss *= keep
	x := float32(interval.Seconds())
	if a.n == window {
		old := float64(a.last[a.next])
		a.sum -= old
		a.squares -= old * old
	} else {
		a.n++
	}
	a.last[a.next] = x
	a.next = (a.next + 1) % window
	a.sum += float64(x)
	a.squares += float64(x) * float64(x)
}

// forget starts a new rhythm; the loss belongs to the path and stays.
func (a *arrivals) forget() { *a = arrivals{loss: a.loss} }

// shape returns mean (with the acceptable pause) and sigma, in seconds.
func (a *arrivals) shape() (mean, sigma float64) {
	mean, sigma = firstInterval.Seconds(), firstInterval.Seconds()/2
	if a.n > 0 {
		mean = a.sum / float64(a.n)
		sigma = math.Sqrt(max(0, a.squares/float64(a.n)-mean*mean))
	}
	return mean + acceptablePause.Seconds(), max(sigma, leastSigma.Seconds())
}

// phi is −log10 of the probability that a beat is still to come after so long a
// silence, by the usual logistic approximation of the normal distribution; at
// most 99.
func (a *arrivals) phi(silence time.Duration) float64 {
	mean, sigma := a.shape()
	y := (silence.Seconds() - mean) / sigma
	e := math.Exp(-y * (1.5976 + 0.070566*y*y))
	p := e / (1 + e)
	if y < 0 {
		p = 1 - 1/(1+e)
	}
	if !(p > 1e-99) {
		return 99
	}
	return max(0, -math.Log10(p))
}

// patience is the silence at which phi reaches 8.
func (a *arrivals) patience() time.Duration {
	mean, sigma := a.shape()
	return time.Duration((mean + deviations*sigma) * float64(time.Second))
}
