package configs

import (
	"strings"
	"testing"
)

type sample struct {
	Name string `yaml:"name"`
	Bus  struct {
		Port int `yaml:"port"`
	} `yaml:"bus"`
	Members []struct {
		Region string `yaml:"region"`
	} `yaml:"members"`
}

func TestDecodeRefuses(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"unknown field", "nmae: x\n", `1: unknown field "nmae": did you mean "name"?`},
		{"unknown nested field", "bus:\n  address: x\n", `2: unknown field "address": known here are port`},
		{"unknown field in a list", "members:\n- region: a\n- regoin: b\n", `3: unknown field "regoin": did you mean "region"?`},
		{"wrong type", "bus:\n  port: many\n", "2: cannot unmarshal"},
		{"scalar for struct", "bus: 7\n", `1: expected fields such as port, found "7"`},
		{"twice", "name: a\nname: b\n", "already defined"},
		{"two documents", "name: a\n---\nname: b\n", "more than one YAML document"},
		{"not YAML", "a: [\n", "did not find"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var v sample
			err := Decode([]byte(c.in), &v)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v, want %q in it", err, c.want)
			}
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("more than one line: %v", err)
			}
		})
	}
}

func TestDecodeKeepsDefaults(t *testing.T) {
	v := sample{Name: "default"}
	v.Bus.Port = 7
	if err := Decode([]byte("bus: {port: 8}\n"), &v); err != nil {
		t.Fatal(err)
	}
	if v.Name != "default" || v.Bus.Port != 8 {
		t.Errorf("got %+v", v)
	}
	if err := Decode(nil, &v); err != nil || v.Bus.Port != 8 {
		t.Errorf("an empty file changed something: %+v, %v", v, err)
	}
}
