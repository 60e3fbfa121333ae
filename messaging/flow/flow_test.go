package flow

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

const window = MinWindow

// begun returns the two ends of a pipe that has begun.
func begun(t interface{ Fatal(...any) }) (dialer, member *End) {
	d, m := Dialer(Terms{Window: window}), Member(Terms{Window: 2 * window})
	next := d.Ask()
	for range 4 {
		answer, end, err := m.Receive(next)
		if err != nil || answer == nil {
			t.Fatal("the member does not answer: ", err)
		}
		if end != nil {
			member = end
		}
		back, end, err := d.Receive(*answer)
		if err != nil {
			t.Fatal(err)
		}
		if end != nil {
			return end, member
		}
		next = *back
	}
	t.Fatal("the pipe does not begin")
	return nil, nil
}

func TestGreeting(t *testing.T) {
	dialer, member := begun(t)
	if dialer.Room() != 2*window || member.Room() != window {
		t.Errorf("room for %d and %d bytes", dialer.Room(), member.Room())
	}
}

// TestGreetingAgain: any frame of the beginning may be lost and asked for again, and
// come twice; the pipe begins once.
func TestGreetingAgain(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d, m := Dialer(Terms{Window: window}), Member(Terms{Window: window})
		var up, down []Frame // sent, not yet arrived
		dialerEnds, memberEnds := 0, 0
		for range rapid.IntRange(0, 60).Draw(t, "steps") {
			switch rapid.IntRange(0, 4).Draw(t, "step") {
			case 0:
				down = append(down, d.Ask())
			case 1, 2:
				if len(down) > 0 {
					answer, end, err := m.Receive(down[0])
					down = down[1:]
					if err != nil {
						t.Fatal(err)
					}
					if answer != nil {
						up = append(up, *answer)
					}
					if end != nil {
						memberEnds++
					}
				}
			case 3:
				if len(up) > 0 {
					answer, end, err := d.Receive(up[0])
					up = up[1:]
					if err != nil {
						t.Fatal(err)
					}
					if answer != nil {
						down = append(down, *answer)
					}
					if end != nil {
						dialerEnds++
					}
				}
			case 4: // lost
				up, down = nil, nil
			}
		}
		if dialerEnds > 1 || memberEnds > 1 || dialerEnds > memberEnds {
			t.Fatalf("the dialer begins %d times, the member %d", dialerEnds, memberEnds)
		}
	})
}

func TestGreetingRefuses(t *testing.T) {
	terms := Terms{Window: window}.Encode()
	for name, f := range map[string]Frame{
		"no terms":         {Kind: Accept},
		"another version":  {Kind: Accept, Payload: append([]byte{9}, terms[1:]...)},
		"a tiny window":    {Kind: Accept, Payload: Terms{Window: MinWindow - 1}.Encode()},
		"a huge window":    {Kind: Accept, Payload: Terms{Window: MaxWindow + 1}.Encode()},
		"an open":          {Kind: Open, Payload: terms},
		"a check":          {Kind: Check, Payload: terms},
		"ready, not asked": {Kind: Ready, Payload: terms},
	} {
		if answer, end, err := Dialer(Terms{Window: window}).Receive(f); !errors.Is(err, ErrFrame) || answer != nil || end != nil {
			t.Errorf("%s: got %v, %v, %v", name, answer, end, err)
		}
	}
	for _, k := range []Kind{Accept, Ready} {
		if _, _, err := Member(Terms{Window: window}).Receive(Frame{Kind: k, Payload: terms}); !errors.Is(err, ErrFrame) {
			t.Errorf("a member takes kind %d: %v", k, err)
		}
	}
}

func TestEndRefuses(t *testing.T) {
	for _, c := range []struct {
		name string
		f    Frame
		want error
	}{
		{"a lost frame", Frame{Kind: Data, Number: 3, Payload: []byte("x")}, ErrGap},
		{"a frame again", Frame{Kind: Data, Number: 1, Payload: []byte("x")}, ErrGap},
		{"more than was sent is taken", Frame{Kind: Credit, Number: 2, Taken: 11}, ErrCredit},
		{"less is taken than before", Frame{Kind: Credit, Number: 2, Taken: 3}, ErrCredit},
		{"more than the window", Frame{Kind: Data, Number: 2, Taken: 4, Payload: make([]byte, window)}, ErrWindow},
		{"a greeting", Frame{Kind: Ready, Payload: Terms{Window: window}.Encode()}, ErrFrame},
	} {
		dialer, _ := begun(t)
		dialer.Data(make([]byte, 10))
		if err := dialer.Receive(Frame{Kind: Data, Number: 1, Taken: 4, Payload: []byte("hello")}); err != nil {
			t.Fatal(err)
		}
		if err := dialer.Receive(c.f); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
}

// TestPipe: whatever is sent in either direction, and however late it is read, comes
// whole and in order, within the windows; and when all is read, there is room for a
// frame of the largest size, so a writer never waits for ever.
func TestPipe(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := begun(t)
		ends := [2]*End{a, b}
		var wire [2][]Frame // to the end
		var sent, got [2][]byte
		unread := [2]int{}
		arrive := func(to int) {
			f := wire[to][0]
			wire[to] = wire[to][1:]
			if err := ends[to].Receive(f); err != nil {
				t.Fatal(err)
			}
			got[to] = append(got[to], f.Payload...)
			unread[to] += len(f.Payload)
		}
		read := func(by, n int) {
			unread[by] -= n
			if ends[by].Take(n) {
				wire[1-by] = append(wire[1-by], ends[by].Credit())
			}
		}
		for range rapid.IntRange(0, 80).Draw(t, "steps") {
			end := rapid.IntRange(0, 1).Draw(t, "end")
			switch rapid.IntRange(0, 2).Draw(t, "step") {
			case 0:
				if room := min(ends[end].Room(), MaxPayload); room > 0 {
					payload := bytes.Repeat([]byte{byte(len(sent[end]))}, rapid.IntRange(1, room).Draw(t, "size"))
					sent[end] = append(sent[end], payload...)
					wire[1-end] = append(wire[1-end], ends[end].Data(payload))
				}
			case 1:
				if len(wire[end]) > 0 {
					arrive(end)
				}
			case 2:
				read(end, rapid.IntRange(0, unread[end]).Draw(t, "taken"))
			}
			if ends[0].Waiting() > window || ends[1].Waiting() > 2*window {
				t.Fatalf("%d and %d bytes wait", ends[0].Waiting(), ends[1].Waiting())
			}
		}
		for len(wire[0])+len(wire[1])+unread[0]+unread[1] > 0 {
			for end := range ends {
				for len(wire[end]) > 0 {
					arrive(end)
				}
				read(end, unread[end])
			}
		}
		for end := range ends {
			if !bytes.Equal(got[1-end], sent[end]) || ends[end].Room() < MaxPayload {
				t.Fatalf("%d of %d bytes came; at the end there is room for %d", len(got[1-end]), len(sent[end]), ends[end].Room())
			}
		}
	})
}

func TestFrames(t *testing.T) {
	for _, f := range []Frame{
		{Kind: Open, Payload: Terms{Window: window}.Encode()},
		{Kind: Data, Number: 1, Taken: 1 << 40, Payload: []byte("x")},
		{Kind: Data, Number: 7, Payload: make([]byte, MaxPayload)},
		{Kind: Credit, Number: 1 << 50},
		{Kind: Close, Payload: Verdict{Kind: "Unavailable", Text: "why"}.Encode()},
	} {
		got, err := Decode(f.Encode())
		if err != nil || got.Kind != f.Kind || got.Number != f.Number || got.Taken != f.Taken || !bytes.Equal(got.Payload, f.Payload) {
			t.Errorf("kind %d, number %d: %v", f.Kind, f.Number, err)
		}
	}
	for name, b := range map[string][]byte{
		"nothing": nil, "half a header": make([]byte, HeaderSize-1), "kind 0": make([]byte, HeaderSize),
		"too much":               Frame{Kind: Data, Number: 1, Payload: make([]byte, MaxPayload+1)}.Encode(),
		"data without number":    Frame{Kind: Data, Payload: []byte("x")}.Encode(),
		"data without bytes":     Frame{Kind: Data, Number: 1}.Encode(),
		"credit with bytes":      Frame{Kind: Credit, Number: 1, Payload: []byte("x")}.Encode(),
		"a greeting with number": Frame{Kind: Open, Number: 1}.Encode(),
		"a later kind":           Frame{Kind: Close + 1}.Encode(),
	} {
		if f, err := Decode(b); !errors.Is(err, ErrFrame) {
			t.Errorf("%s is read as %+v, %v", name, f, err)
		}
	}
}

func TestHeaders(t *testing.T) {
	long := strings.Repeat("ä", maxText)
	for in, want := range map[Verdict]Verdict{
		{}:                                 {},
		{Kind: "Denied", Text: "a\nb"}:     {Kind: "Denied", Text: "a\nb"},
		{Kind: "Denied", Text: long}:       {Kind: "Denied", Text: long[:maxText]},
		{Kind: "Denied", Text: "x" + long}: {Kind: "Denied", Text: "x" + long[:maxText-2]},
		{Kind: "Denied", Text: "\xff."}:    {Kind: "Denied", Text: "."},
	} {
		if got, err := DecodeVerdict(in.Encode()); err != nil || got != want {
			t.Errorf("%.20q comes back as %.20q, %v", in, got, err)
		}
	}
	for _, b := range []string{"", "Denied", strings.Repeat("x", 40) + "\n", "Denied\n" + long, "Denied\n\xff"} {
		if v, err := DecodeVerdict([]byte(b)); err == nil {
			t.Errorf("%.20q is read as %.20q", b, v)
		}
	}
	if a, err := DecodeAsk(Ask{Service: "api/shop ä"}.Encode()); err != nil || a.Service != "api/shop ä" {
		t.Errorf("got %+v, %v", a, err)
	}
	for _, b := range []string{"", "\x01", "\x02x", "\x01\xff", "\x01" + long} {
		if a, err := DecodeAsk([]byte(b)); err == nil {
			t.Errorf("%.20q is read as %.20q", b, a)
		}
	}
	if _, err := BlockSize([2]byte{0xff, 0xff}); err == nil {
		t.Error("a huge block is read")
	}
	block := Block([]byte("abc"))
	if n, err := BlockSize([2]byte(block)); err != nil || string(block[2:]) != "abc" || n != 3 {
		t.Errorf("a block of %d bytes, %v", n, err)
	}
}

// FuzzDecode: bytes of the other end never crash, and what is read is written alike.
func FuzzDecode(f *testing.F) {
	f.Add(Frame{Kind: Open, Payload: Terms{Window: window}.Encode()}.Encode())
	f.Add(Frame{Kind: Data, Number: 1, Payload: []byte("x")}.Encode())
	f.Add(Frame{Kind: Close, Payload: Verdict{Kind: "Denied", Text: "x"}.Encode()}.Encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		frame, err := Decode(b)
		if err == nil && !bytes.Equal(frame.Encode(), b) {
			t.Fatalf("%q is written %q", b, frame.Encode())
		}
		_, member := begun(t)
		_ = member.Receive(frame)
		_, _, _ = Dialer(Terms{Window: window}).Receive(frame)
		if a, err := DecodeAsk(b); err == nil && !bytes.Equal(a.Encode(), b) {
			t.Fatalf("%q is written %q", b, a.Encode())
		}
		if v, err := DecodeVerdict(b); err == nil && !bytes.Equal(v.Encode(), b) {
			t.Fatalf("%q is written %q", b, v.Encode())
		}
	})
}
