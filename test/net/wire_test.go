package net

import (
	"math/rand/v2"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const tunDevice = "/dev/net/tun"

// wire carries the frames between two TAP devices; a bad one loses some of them and
// brings the others late, in order, in both directions.
type wire struct {
	loss  atomic.Int64 // in percent
	delay atomic.Int64 // a time.Duration
	lost  atomic.Int64 // frames
}

// newWire makes device e0 in a namespace, and port in that of the bridge.
func newWire(t *testing.T, space, port string) *wire {
	t.Helper()
	w := &wire{}
	near, far := openTap(t, prefix+"w0"), openTap(t, prefix+"w1")
	sh(t, "ip", "link", "set", prefix+"w0", "netns", space, "name", "e0")
	sh(t, "ip", "link", "set", prefix+"w1", "netns", bridgeSpace, "name", port)
	go w.carry(near, far)
	go w.carry(far, near)
	return w
}

// openTap makes a TAP device, which is there for as long as the file is open.
func openTap(t *testing.T, name string) *os.File {
	t.Helper()
	fd, err := unix.Open(tunDevice, unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	request, err := unix.NewIfreq(name)
	if err != nil {
		t.Fatal(err)
	}
	request.SetUint16(unix.IFF_TAP | unix.IFF_NO_PI)
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, request); err != nil {
		t.Fatalf("make TAP device %s: %v", name, err)
	}
	file := os.NewFile(uintptr(fd), name)
	t.Cleanup(func() { file.Close() })
	return file
}

type frame struct {
	data []byte
	due  time.Time
}

// carry takes frames from one end until it is closed.
func (w *wire) carry(from, to *os.File) {
	queue := make(chan frame, 1<<14)
	defer close(queue)
	go deliver(queue, to)
	buffer := make([]byte, 1<<16)
	for {
		n, err := from.Read(buffer)
		if err != nil {
			return
		}
		if rand.Int64N(100) < w.loss.Load() {
			w.lost.Add(1)
			continue
		}
		queue <- frame{data: append([]byte(nil), buffer[:n]...), due: time.Now().Add(time.Duration(w.delay.Load()))}
	}
}

// deliver writes each frame when it is due. A device that is not up yet, or gone,
// loses it.
func deliver(queue <-chan frame, to *os.File) {
	for f := range queue {
		if late := time.Until(f.due); late > 0 {
			<-time.After(late)
		}
		_, _ = to.Write(f.data) // see above
	}
}

func (w *wire) spoil(percent int64, delay time.Duration) {
	w.loss.Store(percent)
	w.delay.Store(int64(delay))
}
