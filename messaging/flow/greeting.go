package flow

import "fmt"

// Greeting is how one end of a pipe begins. Make one with Dialer or Member.
type Greeting struct {
	own      Terms
	dialer   bool
	accepted bool
	begun    bool
}

// Dialer begins the end that asks for the pipe.
func Dialer(own Terms) *Greeting { return &Greeting{own: own, dialer: true} }

// Member begins the end that is asked.
func Member(own Terms) *Greeting { return &Greeting{own: own} }

// Ask is what the dialer sends, again and again, until the pipe has begun: an Open
// until it is accepted, then a Check.
func (g *Greeting) Ask() Frame {
	if g.accepted {
		return g.frame(Check)
	}
	return g.frame(Open)
}

func (g *Greeting) frame(k Kind) Frame { return Frame{Kind: k, Payload: g.own.Encode()} }

// Receive takes in a frame of the beginning. It returns what to answer, if anything,
// and this end of the pipe when it has begun by the frame. A frame that comes again
// is answered again.
func (g *Greeting) Receive(f Frame) (answer *Frame, end *End, err error) {
	terms, err := DecodeTerms(f.Payload)
	if err != nil {
		return nil, nil, err
	}
	reply := func(k Kind) *Frame { a := g.frame(k); return &a }
	switch {
	case g.dialer && f.Kind == Accept:
		if !g.begun {
			g.accepted, answer = true, reply(Check)
		}
	case g.dialer && f.Kind == Ready && g.accepted:
		end = g.begin(terms)
	case !g.dialer && f.Kind == Open:
		if !g.begun {
			answer = reply(Accept)
		}
	case !g.dialer && f.Kind == Check:
		answer, end = reply(Ready), g.begin(terms)
	default:
		return nil, nil, fmt.Errorf("%w: kind %d in the beginning", ErrFrame, f.Kind)
	}
	return answer, end, nil
}

func (g *Greeting) begin(peer Terms) *End {
	if g.begun {
		return nil
	}
	g.begun = true
	return NewEnd(g.own, peer)
}
