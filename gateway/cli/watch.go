package cli

import (
	"slices"
	"strings"
	"time"
)

// watch prints what is there, then what changes, until the user ends it.
func (s show[T]) watch(q query) error {
	follow := s.kind.follow
	if follow == nil {
		follow = s.poll
	}
	first := true
	err := follow(s.call, q, func(items []T) error {
		chosen, err := s.concerned(items, q, first)
		if err != nil || len(chosen) == 0 && !first {
			return err
		}
		rows := s.rows(chosen)
		if first {
			rows = append([][]string{s.header()}, rows...)
		}
		first = false
		if s.format.structured() {
			return s.stream(chosen)
		}
		return s.grid.print(rows...)
	})
	if s.call.cmd.Context().Err() != nil {
		return nil
	}
	return err
}

// concerned returns the items that the query names. At first all of those have to
// be there.
func (s show[T]) concerned(items []T, q query, first bool) ([]T, error) {
	if first {
		return s.kind.choose(items, q)
	}
	if len(q.names) == 0 || s.kind.anyName {
		return items, nil
	}
	return slices.DeleteFunc(items, func(item T) bool { return !slices.Contains(q.names, s.kind.key(item)) }), nil
}

func (s show[T]) stream(items []T) error {
	for _, item := range items {
		if err := s.format.printOne(s.call.cmd.OutOrStdout(), s.kind.tree(item)); err != nil {
			return err
		}
	}
	return nil
}

// poll asks again and again, and hands on the items that are new or differ in
// more than their volatile cells.
func (s show[T]) poll(c call, q query, each func([]T) error) error {
	ticker := time.NewTicker(pollEvery)
	defer ticker.Stop()
	seen := map[string]string{}
	for {
		all, _, err := s.kind.fetch(c, q)
		if err != nil {
			return err
		}
		if err := each(s.changed(all, seen)); err != nil {
			return err
		}
		select {
		case <-c.cmd.Context().Done():
			return c.cmd.Context().Err()
		case <-ticker.C:
		}
	}
}

// changed returns the items whose lasting cells are not those in seen, and puts
// them there.
func (s show[T]) changed(items []T, seen map[string]string) []T {
	return slices.DeleteFunc(slices.Clone(items), func(item T) bool {
		var cells []string
		for _, c := range s.kind.columns {
			if !c.volatile {
				cells = append(cells, c.cell(item))
			}
		}
		key, state := s.kind.key(item), strings.Join(cells, "\x00")
		old, known := seen[key]
		seen[key] = state
		return known && old == state
	})
}
