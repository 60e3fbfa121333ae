package cli

import (
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"golang.org/x/term"
)

// grid prints aligned rows. Unlike text/tabwriter it keeps its widths from one
// print to the next, so that the rows of a watch stand under each other, and it
// colours a cell after it was padded.
type grid struct {
	out    io.Writer
	colour bool
	widths []int
}

// gap separates two columns.
const gap = "   "

func newGrid(out io.Writer) *grid {
	return &grid{out: out, colour: coloured(out)}
}

// print writes rows; the last column is not padded.
func (g *grid) print(rows ...[]string) error {
	for _, row := range rows {
		for i, cell := range row {
			if i == len(g.widths) {
				g.widths = append(g.widths, 0)
			}
			g.widths[i] = max(g.widths[i], utf8.RuneCountInString(cell))
		}
	}
	var b strings.Builder
	for _, row := range rows {
		g.line(&b, row)
	}
	_, err := io.WriteString(g.out, b.String())
	return err
}

func (g *grid) line(b *strings.Builder, row []string) {
	last := len(row) - 1
	for last > 0 && row[last] == "" {
		last--
	}
	for i, cell := range row[:last+1] {
		b.WriteString(g.paint(cell))
		if i < last {
			b.WriteString(strings.Repeat(" ", g.widths[i]-utf8.RuneCountInString(cell)))
			b.WriteString(gap)
		}
	}
	b.WriteString("\n")
}

const (
	green  = "\x1b[32m"
	yellow = "\x1b[33m"
	red    = "\x1b[31m"
	plain  = "\x1b[0m"
)

// paints are the colours of the words that stand alone in a cell.
var paints = map[string]string{
	"Healthy": green, "Ready": green, "PASS": green, "fresh": green, "chosen": green,
	"Suspect": yellow, "Degraded": yellow, "Progressing": yellow, "Returning": yellow, "Quarantined": yellow,
	"Reconciling": yellow, "INCONCLUSIVE": yellow, "stale": yellow, "draining": yellow, "suspect": yellow,
	"Unreachable": red, "Fenced": red, "Unknown": red, "Unplaced": red, "FAIL": red, "Refused": red,
}

func (g *grid) paint(cell string) string {
	colour := paints[cell]
	if !g.colour || colour == "" {
		return cell
	}
	return colour + cell + plain
}

// coloured reports whether colours may be written to w.
func coloured(w io.Writer) bool {
	return Interactive(w) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}

// Interactive reports whether a reader or writer is a terminal.
func Interactive(stream any) bool {
	file, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}
