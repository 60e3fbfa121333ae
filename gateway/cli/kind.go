package cli

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"
)

// kind is one kind of thing that "hansa get" shows.
type kind[T proto.Message] struct {
	name     string // "member"
	title    string // in JSON; empty: name with a capital
	argument string // of one: "NAME"
	short    string
	listed   string // the command that lists them; empty: "get" and the plural
	columns  []column[T]
	// namespaced adds the flag --namespace.
	namespaced bool
	// fetch returns all that the query may concern, in the order of the gateway,
	// and a line to print under a table, or "".
	fetch func(c call, q query) (items []T, note string, err error)
	// follow calls each with all that are there, then with those that changed,
	// until the context ends; nil: fetch is called every second.
	follow func(c call, q query, each func([]T) error) error
	// key is what a user names one by.
	key func(T) string
	// anyName: fetch has narrowed by the names itself, they need not be keys.
	anyName bool
	// tree is the shape in JSON.
	tree func(T) object
}

// column is one column of a table.
type column[T any] struct {
	name string
	cell func(T) string
	wide bool // with -o wide only
	// volatile cells change all the time; a watch does not print for them.
	volatile bool
}

// query is what the user narrowed the list to.
type query struct {
	names     []string
	namespace string
}

// pollEvery is how often a watch asks for a kind without a stream.
const pollEvery = time.Second

func (k kind[T]) plural() string { return k.name + "s" }

// command is "hansa get KINDs".
func (k kind[T]) command(a *app) *cobra.Command {
	var q query
	var watch bool
	cmd := &cobra.Command{
		Use:     k.plural() + " [" + k.argument + "...]",
		Aliases: []string{k.name},
		Short:   k.short,
	}
	out := outputFlag(cmd, formatTable, formatWide, formatJSON, formatYAML)
	cmd.Flags().BoolVarP(&watch, "watch", "w", false, "go on, and print what changes")
	if k.namespaced {
		cmd.Flags().StringVarP(&q.namespace, "namespace", "n", "", "only those of this namespace")
	}
	cmd.RunE = a.asking(func(c call, args []string) error {
		q.names = args
		s := show[T]{kind: k, call: c, format: out, grid: newGrid(cmd.OutOrStdout())}
		if watch {
			return s.watch(q)
		}
		return s.list(q)
	})
	cmd.ValidArgsFunction = completeNames(a, func(c call) ([]string, error) {
		all, _, err := k.fetch(c, query{})
		return k.keys(all), err
	})
	return cmd
}

func (k kind[T]) keys(all []T) []string {
	var out []string
	for _, one := range all {
		out = append(out, k.key(one))
	}
	return out
}

// choose returns the items that the query names, in the order of the query; all
// of them when it names none.
func (k kind[T]) choose(all []T, q query) ([]T, error) {
	if len(q.names) == 0 || k.anyName {
		return all, nil
	}
	keys := k.keys(all)
	var out []T
	for _, name := range q.names {
		i := slices.Index(keys, name)
		if i < 0 {
			return nil, k.unknown(name, keys)
		}
		out = append(out, all[i])
	}
	return out, nil
}

// unknown is the error for a name that nothing has.
func (k kind[T]) unknown(name string, keys []string) error {
	if near := closest(name, keys); near != "" {
		return fmt.Errorf("%s %s does not exist: did you mean %q?", k.name, name, near)
	}
	return fmt.Errorf("%s %s does not exist: see \"hansa %s\"", k.name, name, or(k.listed, "get "+k.plural()))
}

// show prints the things of one kind.
type show[T proto.Message] struct {
	kind   kind[T]
	call   call
	format *format
	grid   *grid
}

func (s show[T]) list(q query) error {
	all, note, err := s.kind.fetch(s.call, q)
	if err != nil {
		return err
	}
	chosen, err := s.kind.choose(all, q)
	if err != nil {
		return err
	}
	if s.format.structured() {
		return s.format.print(s.call.cmd.OutOrStdout(), s.document(chosen, len(q.names) == 1 && !s.kind.anyName))
	}
	if err := s.table(chosen); err != nil {
		return err
	}
	if note != "" {
		fmt.Fprintln(s.call.cmd.ErrOrStderr(), note)
	}
	return nil
}

// document is one object, or a list under items.
func (s show[T]) document(items []T, single bool) any {
	list := []any{}
	for _, item := range items {
		list = append(list, s.kind.tree(item))
	}
	if single && len(list) == 1 {
		return list[0]
	}
	title := or(s.kind.title, strings.ToUpper(s.kind.name[:1])+s.kind.name[1:])
	return object{{"apiVersion", apiVersion}, {"kind", title + "List"}, {"items", list}}
}

func (s show[T]) table(items []T) error {
	if len(items) == 0 {
		fmt.Fprintf(s.call.cmd.ErrOrStderr(), "no %s\n", s.kind.plural())
		return nil
	}
	return s.grid.print(append([][]string{s.header()}, s.rows(items)...)...)
}

func (s show[T]) visible() []column[T] {
	wide := s.format.value == formatWide
	return slices.DeleteFunc(slices.Clone(s.kind.columns), func(c column[T]) bool { return c.wide && !wide })
}

func (s show[T]) header() []string {
	var out []string
	for _, c := range s.visible() {
		out = append(out, c.name)
	}
	return out
}

func (s show[T]) rows(items []T) [][]string {
	var out [][]string
	for _, item := range items {
		var row []string
		for _, c := range s.visible() {
			row = append(row, c.cell(item))
		}
		out = append(out, row)
	}
	return out
}
