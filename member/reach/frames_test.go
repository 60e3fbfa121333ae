package reach

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// webSocketFrame makes a frame; those of clients have a mask.
func webSocketFrame(kind byte, payload, mask []byte) []byte {
	b, set := []byte{webSocketEnd | kind}, byte(0)
	if mask != nil {
		set = webSocketMask
	}
	switch n := len(payload); {
	case n < 126:
		b = append(b, set|byte(n))
	case n < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, set|126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, set|127), uint64(n))
	}
	b = append(b, mask...)
	for i, c := range payload {
		if mask != nil {
			c ^= mask[i%4]
		}
		b = append(b, c)
	}
	return b
}

func spdyFrame(kind byte, payload []byte) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{0x80, 3, 0, kind}, uint32(len(payload))), payload...)
}

// pipes is an API server: it takes what is said, and sends what is there in pieces.
type pipes struct {
	said   bytes.Buffer
	pieces [][]byte
}

func (p *pipes) Write(b []byte) (int, error) { return p.said.Write(b) }

func (p *pipes) Read(b []byte) (int, error) {
	if len(p.pieces) == 0 {
		return 0, io.EOF
	}
	n := copy(b, p.pieces[0])
	if p.pieces[0] = p.pieces[0][n:]; len(p.pieces[0]) == 0 {
		p.pieces = p.pieces[1:]
	}
	return n, nil
}

func (p *pipes) Close() error { return nil }

// split cuts b into pieces.
func split(t *rapid.T, b []byte) [][]byte {
	var pieces [][]byte
	for len(b) > 0 {
		n := rapid.IntRange(1, len(b)).Draw(t, "piece")
		pieces = append(pieces, b[:n])
		b = b[n:]
	}
	return pieces
}

// TestPings: however the bytes come in pieces, pings of a client are answered between the
// frames that come from the API server, in their order, and nothing else is changed.
func TestPings(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.SampledFrom([]string{"websocket", "spdy/3.1"}).Draw(t, "protocol")
		web, mask := name == "websocket", []byte("MASK")
		var up, want, pongs, down []byte
		for i := range rapid.IntRange(0, 6).Draw(t, "frames up") {
			payload := make([]byte, rapid.SampledFrom([]int{0, 1, 4, 125, 126, 70_000}).Draw(t, "size"))
			number := []byte{0, 0, 0, byte(i)} // an odd one is of a client
			switch ping := rapid.Bool().Draw(t, "ping"); {
			case ping && web:
				up, pongs = append(up, webSocketFrame(webSocketPing, number, mask)...), append(pongs, webSocketFrame(0xa, number, nil)...)
			case ping && i%2 == 1:
				up, pongs = append(up, spdyFrame(spdyPing, number)...), append(pongs, spdyFrame(spdyPing, number)...)
			case ping:
				up, want = append(up, spdyFrame(spdyPing, number)...), append(want, spdyFrame(spdyPing, number)...)
			case web:
				up, want = append(up, webSocketFrame(2, payload, mask)...), append(want, webSocketFrame(2, payload, mask)...)
			default:
				up, want = append(up, spdyFrame(1, payload)...), append(want, spdyFrame(1, payload)...)
			}
		}
		var ends []int // of frames in down
		for range rapid.IntRange(1, 6).Draw(t, "frames down") {
			payload := bytes.Repeat([]byte{0x89}, rapid.IntRange(0, 70_000).Draw(t, "size"))
			if web {
				down = append(down, webSocketFrame(2, payload, nil)...)
			} else {
				down = append(down, spdyFrame(1, payload)...)
			}
			ends = append(ends, len(down))
		}
		api := &pipes{pieces: split(t, down)}
		of := frames{protocol: protocols[name]}
		u := &upgraded{ReadWriteCloser: api, up: of, down: of}
		buffer := make([]byte, rapid.SampledFrom([]int{1 << 10, 32 << 10}).Draw(t, "buffer"))
		first, err := u.Read(buffer)
		if err != nil {
			t.Fatal(err)
		}
		got := append([]byte{}, buffer[:first]...)
		for _, piece := range split(t, up) {
			if n, err := u.Write(piece); n != len(piece) || err != nil {
				t.Fatal(n, err)
			}
		}
		for err = nil; err == nil; {
			n := 0
			n, err = u.Read(buffer)
			got = append(got, buffer[:n]...)
		}
		if !errors.Is(err, io.EOF) {
			t.Fatal(err)
		}
		if !bytes.Equal(api.said.Bytes(), want) {
			t.Fatalf("the API server heard %d bytes, want %d", api.said.Len(), len(want))
		}
		at := 0 // the end of the frame that was under way
		for _, end := range ends {
			if at = end; end >= first {
				break
			}
		}
		if whole := slices.Concat(down[:at], pongs, down[at:]); !bytes.Equal(got, whole) {
			t.Fatalf("%d bytes came, want %d: %d of pongs after %d", len(got), len(whole), len(pongs), at)
		}
	})
}
