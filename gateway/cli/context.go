package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/hansa-io/hansa/configs"
)

// Context says which gateway the commands ask. Relative paths in the file are
// relative to its folder.
type Context struct {
	Gateway   string `yaml:"gateway"`             // host:port; several with commas, of which the first that answers is asked
	CAFile    string `yaml:"caFile,omitempty"`    // PEM; empty: the CAs of the system
	TokenFile string `yaml:"tokenFile,omitempty"` // empty: no token is shown
}

const contextName = "config.yaml"

// HomeDir returns the directory of everything that Hansa keeps for this user, as
// an absolute path: $HANSA_HOME, else ~/.hansa. It need not exist.
func HomeDir() (string, error) {
	if home := os.Getenv("HANSA_HOME"); home != "" {
		return filepath.Abs(home)
	}
	user, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("find the home directory: %w: set HANSA_HOME", err)
	}
	return filepath.Join(user, ".hansa"), nil
}

// ReadContext reads a context file strictly. A missing file is fs.ErrNotExist.
func ReadContext(path string) (Context, error) {
	var c Context
	if err := configs.Load(path, &c); err != nil {
		return Context{}, err
	}
	if err := c.check(); err != nil {
		return Context{}, fmt.Errorf("%s: %w", path, err)
	}
	dir := filepath.Dir(path)
	c.CAFile = beside(dir, c.CAFile)
	c.TokenFile = beside(dir, c.TokenFile)
	return c, nil
}

func (c Context) check() error {
	for _, address := range c.gateways() {
		if _, _, err := net.SplitHostPort(address); err != nil {
			return fmt.Errorf("gateway %q: want HOST:PORT, for example 127.0.0.1:7443, or several with commas", c.Gateway)
		}
	}
	return nil
}

func (c Context) gateways() []string { return strings.Split(c.Gateway, ",") }

func beside(dir, path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}

// WriteContext writes a context file whole, for its owner's eyes only.
func WriteContext(path string, c Context) error {
	data, err := yaml.Marshal(c)
	if err != nil {
		return fmt.Errorf("encode %s: %w", path, err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	fresh := path + ".new"
	if err := os.WriteFile(fresh, data, 0o600); err != nil {
		return err
	}
	return os.Rename(fresh, path)
}

// context is the context file with the global flags over it. Without a file the
// flag --gateway is enough.
func (a *app) context() (Context, error) {
	c, err := a.fileContext()
	if err != nil {
		return Context{}, err
	}
	if a.override.Gateway != "" {
		c.Gateway = a.override.Gateway
		if err := c.check(); err != nil {
			return Context{}, Usagef("--%s", err)
		}
	}
	if a.override.CAFile != "" {
		c.CAFile = a.override.CAFile
	}
	if a.override.TokenFile != "" {
		c.TokenFile = a.override.TokenFile
	}
	return c, nil
}

func (a *app) fileContext() (Context, error) {
	path := a.contextFile
	if path == "" {
		home, err := a.home()
		if err != nil {
			return Context{}, err
		}
		path = filepath.Join(home, contextName)
	}
	c, err := ReadContext(path)
	switch {
	case !errors.Is(err, fs.ErrNotExist):
		return c, err
	case a.contextFile != "":
		return Context{}, fmt.Errorf("context file %s does not exist: check --context-file", path)
	case a.override.Gateway != "":
		return Context{}, nil
	}
	return Context{}, fmt.Errorf("no federation is known, %s does not exist: start one with \"hansa up\", or name one with --gateway or --context-file", path)
}

func (a *app) home() (string, error) {
	if a.opts.Home != "" {
		return a.opts.Home, nil
	}
	return HomeDir()
}
