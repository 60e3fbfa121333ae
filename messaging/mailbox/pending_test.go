package mailbox

import "testing"

// TestPending: an answer reaches who asked, once; one that comes after Close reaches nobody.
func TestPending(t *testing.T) {
	var p Pending[string]
	first, one := p.Open()
	second, two := p.Open()
	if first == second || first == 0 {
		t.Fatalf("two requests have the numbers %d and %d", first, second)
	}
	p.Answer(second, "two")
	p.Answer(second, "again")
	p.Answer(99, "nobody")
	if got := <-two; got != "two" || len(two) != 0 || len(one) != 0 {
		t.Errorf("the second got %q, and %d more; the first %d", got, len(two), len(one))
	}
	p.Close(second)
	p.Close(first)
	p.Answer(first, "late")
	if len(one) != 0 {
		t.Error("an answer came after Close")
	}
}
