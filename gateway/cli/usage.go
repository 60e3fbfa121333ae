package cli

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/hansa-io/hansa/federation"
)

// usageError is an error of the command line itself: exit code 2.
type usageError struct{ text string }

func (e usageError) Error() string { return e.text }

// Usagef returns an error that ends the program with exit code 2. Commands return
// it when their arguments are wrong, before anything was done.
func Usagef(format string, args ...any) error {
	return usageError{fmt.Sprintf(format, args...)}
}

func isUsage(err error) bool {
	var u usageError
	return errors.As(err, &u)
}

// harden makes every command answer wrong arguments in one way: one line that
// names the command, with a hint.
func harden(c *cobra.Command) {
	check := c.Args
	switch {
	case c.HasSubCommands() && !c.Runnable():
		c.Args = cobra.ArbitraryArgs
		c.RunE = runGroup
	case check != nil:
		c.Args = func(cmd *cobra.Command, args []string) error {
			if err := check(cmd, args); err != nil {
				return wrongArgs(cmd, err)
			}
			return nil
		}
	}
	c.SetFlagErrorFunc(wrongFlag)
	c.DisableFlagsInUseLine = true
	for _, sub := range c.Commands() {
		harden(sub)
	}
}

// runGroup is what a command that only has subcommands does: alone it shows its
// help, and a word that is not a subcommand is refused.
func runGroup(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return cmd.Help()
	}
	var names []string
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			names = append(names, c.Name())
		}
	}
	return Usagef("%q is not a command of %q%s", args[0], cmd.CommandPath(), hint(args[0], names, cmd))
}

// hint is ": did you mean X?" or where to look.
func hint(word string, names []string, cmd *cobra.Command) string {
	if near := closest(word, names); near != "" {
		return fmt.Sprintf(": did you mean %q?", near)
	}
	return fmt.Sprintf(": see %q", cmd.CommandPath()+" --help")
}

func wrongArgs(cmd *cobra.Command, err error) error {
	if isUsage(err) {
		return err
	}
	return Usagef("%s: usage: %s", err, cmd.UseLine())
}

func wrongFlag(cmd *cobra.Command, err error) error {
	var names []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, "--"+f.Name) })
	var unknown *pflag.NotExistError
	if errors.As(err, &unknown) && unknown.GetSpecifiedShortnames() == "" {
		word := "--" + unknown.GetSpecifiedName()
		return Usagef("%s: no such flag%s", word, hint(word, names, cmd))
	}
	return Usagef("%s%s", strings.TrimSuffix(err.Error(), "\n"), hint("", nil, cmd))
}

// closest returns the candidate that differs least from word, when it differs by
// at most two letters (one in a word of three); empty when none does.
func closest(word string, candidates []string) string {
	limit := min(2, len(word)/2)
	best := ""
	slices.Sort(candidates)
	for _, c := range candidates {
		if d := distance(word, c); d <= limit {
			best, limit = c, d-1
		}
	}
	return best
}

// distance is how many letters have to be put in, left out, replaced or swapped
// with their neighbour to get from a to b.
func distance(a, b string) int {
	before, last, row := []int(nil), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := range len(a) {
		row[0] = i + 1
		for j := range len(b) {
			row[j+1] = min(last[j+1]+1, row[j]+1, last[j]+differ(a[i], b[j]))
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last, row = last, row, make([]int, len(b)+1)
	}
	return last[len(b)]
}

func differ(a, b byte) int {
	if a == b {
		return 0
	}
	return 1
}

// named wants at least one argument, and says what it should be.
func named(what string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) == 0 {
			return fmt.Errorf("%s is missing", what)
		}
		return nil
	}
}

// oneKey wants exactly one NS/NAME.
func oneKey(what string) cobra.PositionalArgs {
	single := one("NS/NAME of a " + what)
	return func(cmd *cobra.Command, args []string) error {
		if err := single(cmd, args); err != nil {
			return err
		}
		_, err := key(args[0])
		return err
	}
}

// key reads an argument NS/NAME.
func key(argument string) (federation.Key, error) {
	k, err := federation.ParseKey(argument)
	if err != nil {
		return k, Usagef("%s: want for example shop/web", err)
	}
	return k, nil
}

// one wants exactly one argument, and says what it should be.
func one(what string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		switch len(args) {
		case 0:
			return fmt.Errorf("%s is missing", what)
		case 1:
			return nil
		}
		return fmt.Errorf("%q is one too many, want one %s", args[1], what)
	}
}
