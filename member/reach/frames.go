package reach

import "encoding/binary"

// protocol is what has to be known of one to which a connection is upgraded: where its
// frames end, and which of them only ask whether the other side lives.
type protocol struct {
	// header reads the header of a frame from the beginning of b: how long it is, how
	// many bytes follow it, and whether the frame is a ping. Size 0: b is too short.
	header func(b []byte) (size int, follow uint64, ping bool)
	// answer makes the frame that answers a ping of a client, nil when it is none.
	answer func(ping []byte) []byte
}

// protocols are those of exec, attach and port-forward, by the word in the header Upgrade.
var protocols = map[string]protocol{
	"websocket": {header: webSocketHeader, answer: webSocketPong},
	"spdy/3.1":  {header: spdyHeader, answer: spdyPong},
}

const (
	webSocketPing = 0x9
	webSocketEnd  = 0x80 // the frame is the last of its message
	webSocketMask = 0x80
)

// webSocketHeader is of RFC 6455, section 5.2.
func webSocketHeader(b []byte) (size int, follow uint64, ping bool) {
	if len(b) < 2 {
		return 0, 0, false
	}
	size, follow = 2, uint64(b[1]&^webSocketMask)
	switch {
	case follow == 126 && len(b) >= 4:
		size, follow = 4, uint64(binary.BigEndian.Uint16(b[2:]))
	case follow == 127 && len(b) >= 10:
		size, follow = 10, binary.BigEndian.Uint64(b[2:])
	case follow >= 126:
		return 0, 0, false
	}
	if b[1]&webSocketMask != 0 {
		size += 4
	}
	if len(b) < size {
		return 0, 0, false
	}
	return size, follow, b[0]&0xf == webSocketPing && follow < 126
}

// webSocketPong has the bytes of the ping, which the client has masked.
func webSocketPong(ping []byte) []byte {
	size, follow, _ := webSocketHeader(ping)
	pong := append([]byte{webSocketEnd | 0xa, byte(follow)}, ping[size:]...)
	if ping[1]&webSocketMask != 0 {
		mask := ping[size-4 : size]
		for i := range pong[2:] {
			pong[2+i] ^= mask[i%4]
		}
	}
	return pong
}

const spdyPing = 6

// spdyHeader is of the SPDY protocol, draft 3.1, section 2.2.
func spdyHeader(b []byte) (size int, follow uint64, ping bool) {
	if len(b) < 8 {
		return 0, 0, false
	}
	follow = uint64(binary.BigEndian.Uint32(b[4:]) & 0xffffff)
	control := b[0]&0x80 != 0
	return 8, follow, control && binary.BigEndian.Uint16(b[2:]) == spdyPing && follow == 4
}

// spdyPong is the ping itself. A client's have odd numbers; others are its answers.
func spdyPong(ping []byte) []byte {
	if ping[len(ping)-1]&1 == 0 {
		return nil
	}
	return ping
}

// frames follows the frames of one direction.
type frames struct {
	protocol
	head []byte // of a frame whose header has not come whole
	left uint64 // bytes of the frame after those that came
	ping bool   // the frame is one
}

// between is between two frames.
func (f *frames) between() bool { return len(f.head) == 0 && f.left == 0 }

// step takes in b up to the end of a frame, or up to the end of a header, and returns how
// much that is.
func (f *frames) step(b []byte) int {
	if f.left > 0 {
		n := int(min(f.left, uint64(len(b))))
		f.left -= uint64(n)
		return n
	}
	for n := range b {
		f.head = append(f.head, b[n])
		if size, follow, ping := f.header(f.head); size > 0 {
			f.head, f.left, f.ping = f.head[:0], follow, ping
			return n + 1
		}
	}
	return len(b)
}
