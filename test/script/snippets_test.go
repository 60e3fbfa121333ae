package script

import (
	"reflect"
	"strings"
	"testing"
)

func TestSnippets(t *testing.T) {
	const markdown = "# Title\n\n<!-- test -->\n```sh\nmake up   # comment stays\n# whole line\n\nhansa get \\\n  members\n```\n" +
		"text\n```go\nx := 1\n```\n<!-- not tested: needs a second machine -->\n\n```sh\nhansa join\n```\n"
	got, err := Snippets([]byte(markdown))
	want := []Snippet{
		{Line: 4, Commands: []string{"make up   # comment stays", "hansa get members"}, Tested: true},
		{Line: 17, Commands: []string{"hansa join"}, Reason: "needs a second machine"},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v\nwant %+v", got, err, want)
	}
}

func TestSnippetsRefuse(t *testing.T) {
	for markdown, want := range map[string]string{
		"text\n```sh\nls\n```\n":                            "line 2: a block of commands follows neither",
		"<!-- not tested: -->\n```sh\nls\n```\n":            "line 2: a block of commands follows neither",
		"<!-- test -->\n```sh\nls\n```\n\n```sh\nls\n```\n": "line 6: a block of commands follows neither",
		"<!-- test -->\n```sh\nls\n":                        "line 2: the block does not end",
	} {
		if _, err := Snippets([]byte(markdown)); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: %v, want %q", markdown, err, want)
		}
	}
}
