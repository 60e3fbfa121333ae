package manifest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// operation is one step of an RFC 6902 patch.
type operation struct {
	Op    string          `json:"op"`
	Path  *string         `json:"path"`
	From  *string         `json:"from"`
	Value json.RawMessage `json:"value"`
}

// maxSteps bounds the operations of one patch.
const maxSteps = 1000

// parsePatch reads a patch and checks that each step is complete.
func parsePatch(raw json.RawMessage) ([]operation, error) {
	var ops []operation
	if err := json.Unmarshal(raw, &ops); err != nil {
		return nil, fmt.Errorf("patch: want a list of RFC 6902 operations: %w", err)
	}
	if len(ops) > maxSteps {
		return nil, fmt.Errorf("patch: %d operations, want at most %d", len(ops), maxSteps)
	}
	for i, op := range ops {
		needsValue, needsFrom := false, false
		switch op.Op {
		case "add", "replace", "test":
			needsValue = true
		case "move", "copy":
			needsFrom = true
		case "remove":
		default:
			return nil, fmt.Errorf("patch[%d]: op %q is not add, remove, replace, move, copy or test", i, op.Op)
		}
		if op.Path == nil || (needsValue && op.Value == nil) || (needsFrom && op.From == nil) {
			return nil, fmt.Errorf("patch[%d]: op %s lacks path, value or from", i, op.Op)
		}
	}
	return ops, nil
}

// patched applies the steps. A step that fails leaves doc half changed, so the
// caller drops it.
func patched(doc document, ops []operation) (document, error) {
	var root any = doc
	for i, op := range ops {
		var err error
		if root, err = op.apply(root); err != nil {
			return nil, fmt.Errorf("patch[%d] %s %s: %w", i, op.Op, *op.Path, err)
		}
	}
	doc, ok := root.(document)
	if !ok {
		return nil, fmt.Errorf("patch: the result is not an object")
	}
	return doc, nil
}

func (op operation) apply(root any) (any, error) {
	switch op.Op {
	case "remove":
		root, _, err := take(root, *op.Path)
		return root, err
	case "move":
		if *op.Path == *op.From {
			_, err := get(root, *op.From)
			return root, err
		}
		if strings.HasPrefix(*op.Path, *op.From+"/") {
			return nil, fmt.Errorf("a value cannot move into itself")
		}
		root, v, err := take(root, *op.From)
		if err != nil {
			return nil, err
		}
		return put(root, *op.Path, v, true)
	case "copy":
		v, err := get(root, *op.From)
		if err != nil {
			return nil, err
		}
		if values(v) > maxCopied {
			return nil, fmt.Errorf("a copy of more than %d values", maxCopied)
		}
		return put(root, *op.Path, cloned(v), true)
	}
	v, err := decoded(op.Value)
	if err != nil {
		return nil, err
	}
	if op.Op == "test" {
		have, err := get(root, *op.Path)
		if err == nil && !equal(have, v) {
			err = fmt.Errorf("the value is another")
		}
		return root, err
	}
	return put(root, *op.Path, v, op.Op == "add")
}

// maxCopied bounds what one copy step may add, so that steps that copy what
// earlier ones copied end soon.
const maxCopied = 10_000

func values(v any) int {
	n := 1
	switch v := v.(type) {
	case document:
		for _, item := range v {
			n += values(item)
		}
	case []any:
		for _, item := range v {
			n += values(item)
		}
	}
	return n
}

func decoded(raw json.RawMessage) (any, error) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var v any
	err := dec.Decode(&v)
	return v, err
}

func cloned(v any) any {
	switch v := v.(type) {
	case document:
		out := make(document, len(v))
		for key, item := range v {
			out[key] = cloned(item)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, item := range v {
			out[i] = cloned(item)
		}
		return out
	}
	return v
}

// equal compares as RFC 6902 section 4.6 says; numbers by value.
func equal(a, b any) bool {
	switch a := a.(type) {
	case document:
		b, ok := b.(document)
		if !ok || len(a) != len(b) {
			return false
		}
		for key, v := range a {
			other, ok := b[key]
			if !ok || !equal(v, other) {
				return false
			}
		}
		return true
	case []any:
		b, ok := b.([]any)
		return ok && slices.EqualFunc(a, b, equal)
	}
	x, okX := number(a)
	y, okY := number(b)
	if okX && okY {
		return x == y
	}
	return reflect.DeepEqual(a, b)
}

func number(v any) (float64, bool) {
	switch v := v.(type) {
	case json.Number:
		f, err := v.Float64()
		return f, err == nil
	case int64:
		return float64(v), true
	}
	return 0, false
}

// split reads a JSON pointer (RFC 6901).
func split(pointer string) ([]string, error) {
	if pointer == "" {
		return nil, nil
	}
	if pointer[0] != '/' {
		return nil, fmt.Errorf("pointer %q does not begin with /", pointer)
	}
	tokens := strings.Split(pointer[1:], "/")
	for i, token := range tokens {
		tokens[i] = strings.ReplaceAll(strings.ReplaceAll(token, "~1", "/"), "~0", "~")
	}
	return tokens, nil
}

func get(root any, pointer string) (any, error) {
	tokens, err := split(pointer)
	for _, token := range tokens {
		if root, err = child(root, token); err != nil {
			return nil, err
		}
	}
	return root, err
}

func child(v any, token string) (any, error) {
	switch v := v.(type) {
	case document:
		if item, ok := v[token]; ok {
			return item, nil
		}
	case []any:
		i, err := index(token, len(v)-1)
		if err != nil {
			return nil, err
		}
		return v[i], nil
	}
	return nil, fmt.Errorf("there is no %q", token)
}

// index reads a position from 0 to last.
func index(token string, last int) (int, error) {
	i, err := strconv.Atoi(token)
	if err != nil || strconv.Itoa(i) != token || i < 0 || i > last {
		return 0, fmt.Errorf("there is no position %q in a list of %d", token, last+1)
	}
	return i, nil
}

// change rewrites the value at the parent of pointer by f, and returns the root.
func change(root any, pointer string, f func(parent any, token string) (any, error)) (any, error) {
	tokens, err := split(pointer)
	if err != nil {
		return nil, err
	}
	return changeAt(root, tokens, f)
}

func changeAt(v any, tokens []string, f func(parent any, token string) (any, error)) (any, error) {
	if len(tokens) == 1 {
		return f(v, tokens[0])
	}
	item, err := child(v, tokens[0])
	if err != nil {
		return nil, err
	}
	if item, err = changeAt(item, tokens[1:], f); err != nil {
		return nil, err
	}
	switch v := v.(type) {
	case document:
		v[tokens[0]] = item
	case []any:
		i, _ := index(tokens[0], len(v)-1)
		v[i] = item
	}
	return v, nil
}

// take removes the value at pointer and returns it.
func take(root any, pointer string) (rest, taken any, err error) {
	if pointer == "" {
		return nil, nil, fmt.Errorf("the whole object cannot be removed")
	}
	rest, err = change(root, pointer, func(parent any, token string) (any, error) {
		if taken, err = child(parent, token); err != nil {
			return nil, err
		}
		if list, ok := parent.([]any); ok {
			i, _ := index(token, len(list)-1)
			return slices.Delete(list, i, i+1), nil
		}
		delete(parent.(document), token)
		return parent, nil
	})
	return rest, taken, err
}

// put sets the value at pointer; with insert as "add" does, else only where there
// is one already.
func put(root any, pointer string, v any, insert bool) (any, error) {
	if pointer == "" {
		return v, nil
	}
	return change(root, pointer, func(parent any, token string) (any, error) {
		if !insert {
			if _, err := child(parent, token); err != nil {
				return nil, err
			}
		}
		switch parent := parent.(type) {
		case document:
			parent[token] = v
			return parent, nil
		case []any:
			return putInList(parent, token, v, insert)
		}
		return nil, fmt.Errorf("its parent is neither an object nor a list")
	})
}

func putInList(list []any, token string, v any, insert bool) (any, error) {
	switch {
	case !insert:
		i, err := index(token, len(list)-1)
		if err == nil {
			list[i] = v
		}
		return list, err
	case token == "-":
		return append(list, v), nil
	}
	i, err := index(token, len(list))
	if err != nil {
		return nil, err
	}
	return slices.Insert(list, i, v), nil
}
