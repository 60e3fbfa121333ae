package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Load reads, decodes, completes and validates the file at path. Relative
// directories in it count from its own directory. The error is one line that
// begins with the path and, where one is to blame, the line number.
func Load(path string) (Config, error) { return LoadWith(path, "") }

// LoadWith is Load with other nodes than the file says, as ParseAsk reads them.
func LoadWith(path, nodes string) (Config, error) {
	ask, err := ParseAsk(nodes)
	if err != nil {
		return Config{}, fmt.Errorf("--nodes %w", err)
	}
	data, err := readLimited(path)
	if err != nil {
		return Config{}, fmt.Errorf("read configuration: %w", err)
	}
	cfg, err := Decode(data)
	if err != nil {
		return Config{}, fmt.Errorf("%s:%w", path, err)
	}
	cfg, err = cfg.resolve(filepath.Dir(path))
	if err != nil {
		return Config{}, fmt.Errorf("%s: %w", path, err)
	}
	cfg.Nodes = ask.Of(cfg.Nodes)
	cfg = cfg.Complete()
	if err := cfg.Validate(); err != nil {
		return Config{}, fmt.Errorf("%s: %w", path, err)
	}
	return cfg, nil
}

// Decode decodes one YAML document strictly: an unknown field, a field given
// twice, a wrong type and a second document are errors. The error begins with
// the line number and a colon, without a space before it. Nothing is completed
// or validated.
func Decode(data []byte) (Config, error) {
	var cfg Config
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var root yaml.Node
	if err := decoder.Decode(&root); errors.Is(err, io.EOF) {
		return cfg, errors.New("1: the file is empty: name and dataDir are required")
	} else if err != nil {
		return cfg, oneLine(err)
	}
	if err := decoder.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return cfg, errors.New("1: more than one YAML document: put one member into one file")
	}
	document := root.Content[0]
	if err := checkFields(document, reflect.TypeFor[Config]()); err != nil {
		return cfg, err
	}
	if err := document.Decode(&cfg); err != nil {
		return Config{}, oneLine(err)
	}
	return cfg, nil
}

// Encode writes c as YAML that Decode reads back.
func (c Config) Encode() ([]byte, error) {
	data, err := yaml.Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("encode configuration of %s: %w", c.Name, err)
	}
	return data, nil
}

// Redacted returns a copy of c without secrets, for showing.
func (c Config) Redacted() Config {
	if c.Agent != nil && c.Agent.JoinToken != "" {
		agent := *c.Agent
		agent.JoinToken = "(hidden)"
		c.Agent = &agent
	}
	return c
}

func (c Config) resolve(base string) (Config, error) {
	base, err := filepath.Abs(base)
	if err != nil {
		return c, fmt.Errorf("resolve directory: %w", err)
	}
	c.DataDir = resolvePath(base, c.DataDir)
	if c.Agent != nil {
		c.Agent.StateDir = resolvePath(base, c.Agent.StateDir)
	}
	return c, nil
}

func resolvePath(base, path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(base, path)
}

func readLimited(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, MaxFile+1))
	if err != nil {
		return nil, err
	}
	if len(data) > MaxFile {
		return nil, fmt.Errorf("%s is larger than %d bytes", path, MaxFile)
	}
	return data, nil
}

var yamlLine = regexp.MustCompile(`line (\d+): `)

// oneLine turns an error of the YAML library into "LINE: what", keeping the
// first of several.
func oneLine(err error) error {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	var typeErr *yaml.TypeError
	if errors.As(err, &typeErr) && len(typeErr.Errors) > 0 {
		text = typeErr.Errors[0]
	}
	line := "1"
	if match := yamlLine.FindStringSubmatch(text); match != nil {
		line = match[1]
		text = strings.Replace(text, match[0], "", 1)
	}
	return fmt.Errorf("%s: %s", line, strings.Join(strings.Fields(text), " "))
}
