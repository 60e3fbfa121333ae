package arch

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
)

const allowList = "testdata/allow.txt"

// allowed is one line of the list: LAW PATH SUBJECT SIZE # REASON. The finding
// is accepted while its size is not larger.
type allowed struct {
	law, path, subject string
	size               int
	line               int
	used               bool
}

func readAllowed(text string) ([]*allowed, error) {
	var out []*allowed
	scanner := bufio.NewScanner(strings.NewReader(text))
	for n := 1; scanner.Scan(); n++ {
		entry, reason, _ := strings.Cut(scanner.Text(), "#")
		fields := strings.Fields(entry)
		if len(fields) == 0 {
			continue
		}
		if len(fields) != 4 || strings.TrimSpace(reason) == "" {
			return nil, fmt.Errorf("%s:%d: want LAW PATH SUBJECT SIZE # REASON", allowList, n)
		}
		size, err := strconv.Atoi(fields[3])
		if err != nil {
			return nil, fmt.Errorf("%s:%d: size %q is not a number", allowList, n, fields[3])
		}
		out = append(out, &allowed{law: fields[0], path: fields[1], subject: fields[2], size: size, line: n})
	}
	return out, scanner.Err()
}

// complaints are the findings of one law that the list does not accept, and the
// entries of that law that nothing needs any more.
func complaints(law string, found []finding, list []*allowed) []string {
	var out []string
	for _, f := range found {
		if !accept(f, list) {
			out = append(out, f.String())
		}
	}
	for _, a := range list {
		if a.law == law && !a.used {
			out = append(out, fmt.Sprintf("%s:%d: %s %s is no longer needed: remove the line", allowList, a.line, a.path, a.subject))
		}
	}
	return out
}

func accept(f finding, list []*allowed) bool {
	for _, a := range list {
		if a.law == f.law && a.path == f.path && a.subject == f.subject && f.size <= a.size {
			a.used = true
			return true
		}
	}
	return false
}

// judge fails the test for each complaint about one law.
func judge(t *testing.T, law string, found []finding) {
	t.Helper()
	text, err := os.ReadFile(allowList)
	if err != nil {
		t.Fatal(err)
	}
	list, err := readAllowed(string(text))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range complaints(law, found, list) {
		t.Error(c)
	}
}

func TestAllowListMayOnlyShrink(t *testing.T) {
	list, err := readAllowed("# comment\n\nfunction-lines a.go F 70 # a table\nfunction-lines b.go G 80 # old\nimport c.go os 0 # other law\n")
	if err != nil {
		t.Fatal(err)
	}
	got := complaints("function-lines", []finding{
		{law: "function-lines", path: "a.go", subject: "F", size: 69, line: 1},
		{law: "function-lines", path: "a.go", subject: "F", size: 71, line: 2, text: "too long"},
	}, list)
	want := []string{
		"a.go:2: too long (function-lines F)",
		"testdata/allow.txt:4: b.go G is no longer needed: remove the line",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if _, err := readAllowed("import c.go os 0"); err == nil {
		t.Error("an entry without a reason is accepted")
	}
}
