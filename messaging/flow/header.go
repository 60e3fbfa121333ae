package flow

import (
	"encoding/binary"
	"fmt"
	"strings"
	"unicode/utf8"
)

// A stream inside a pipe begins with a block from its opener, the Ask, and one back,
// the Verdict. A block is its size in two bytes and then its bytes.

// MaxBlock is the largest block, in bytes without its size.
const MaxBlock = 2 << 10

// MaxService is the longest name of a service, in bytes.
const MaxService = 1 << 10

// Block puts the size before b.
func Block(b []byte) []byte {
	return append(binary.BigEndian.AppendUint16(nil, uint16(len(b))), b...)
}

// BlockSize reads the two bytes before a block.
func BlockSize(b [2]byte) (int, error) {
	size := int(binary.BigEndian.Uint16(b[:]))
	if size > MaxBlock {
		return 0, fmt.Errorf("%w: a block of %d bytes, at most %d", ErrFrame, size, MaxBlock)
	}
	return size, nil
}

// Ask is what the opener of a stream wants.
type Ask struct {
	Service string // what to connect to; text that opener and member agree on
}

// Encode returns the ask as bytes.
func (a Ask) Encode() []byte { return append([]byte{version}, a.Service...) }

// Check refuses a service that no member could serve.
func (a Ask) Check() error {
	if a.Service == "" || len(a.Service) > MaxService || !utf8.ValidString(a.Service) {
		return fmt.Errorf("a service of %d bytes: give 1 to %d bytes of text", len(a.Service), MaxService)
	}
	return nil
}

// DecodeAsk is the inverse of Encode.
func DecodeAsk(b []byte) (Ask, error) {
	if len(b) == 0 || b[0] != version {
		return Ask{}, fmt.Errorf("%w: an ask of another version", ErrFrame)
	}
	a := Ask{Service: string(b[1:])}
	if err := a.Check(); err != nil {
		return Ask{}, fmt.Errorf("%w: %w", ErrFrame, err)
	}
	return a, nil
}

// Verdict is the answer to an Ask, and how a pipe ends. The zero value says yes.
type Verdict struct {
	Kind string // of the error, from the closed set of package messaging; "" when there is none
	Text string // for people
}

// maxText bounds the text of a verdict, in bytes.
const maxText = 1 << 10

// Encode returns the verdict as bytes; text that is too long or no text is cut.
func (v Verdict) Encode() []byte {
	text := strings.ToValidUTF8(v.Text[:min(len(v.Text), maxText)], "")
	return []byte(v.Kind + "\n" + text)
}

// DecodeVerdict is the inverse of Encode.
func DecodeVerdict(b []byte) (Verdict, error) {
	kind, text, ok := strings.Cut(string(b), "\n")
	if !ok || len(kind) > 32 || len(text) > maxText || !utf8.Valid(b) {
		return Verdict{}, fmt.Errorf("%w: a verdict of %d bytes", ErrFrame, len(b))
	}
	return Verdict{Kind: kind, Text: text}, nil
}
