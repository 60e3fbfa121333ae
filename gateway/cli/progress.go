package cli

import (
	"fmt"
	"io"
	"strings"
)

// progress shows how a wait goes: one line that changes on a terminal, a line for
// each change elsewhere.
type progress struct {
	out  io.Writer
	live bool
	last string
}

func newProgress(out io.Writer) *progress {
	return &progress{out: out, live: Interactive(out)}
}

const clearLine = "\r\x1b[2K"

// show replaces what is shown.
func (p *progress) show(format string, args ...any) {
	text := strings.TrimSpace(fmt.Sprintf(format, args...))
	if text == p.last {
		return
	}
	p.last = text
	if p.live {
		fmt.Fprint(p.out, clearLine+text)
		return
	}
	fmt.Fprintln(p.out, text)
}

// log writes a line that stays, above what is shown.
func (p *progress) log(text string) {
	if !p.live {
		fmt.Fprintln(p.out, text)
		return
	}
	fmt.Fprint(p.out, clearLine+text+"\n"+p.last)
}

// done removes what is shown on a terminal.
func (p *progress) done() {
	if p.live {
		fmt.Fprint(p.out, clearLine)
	}
}
