package cli

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// object is a JSON object whose fields keep their order. Values are object,
// []any, string, bool, nil, or a number type of Go.
type object []field

type field struct {
	name  string
	value any
}

// get returns the value of a field, or nil.
func (o object) get(name string) any {
	for _, f := range o {
		if f.name == name {
			return f.value
		}
	}
	return nil
}

// pick returns the named fields that are there, in the order of names.
func (o object) pick(names ...string) object {
	var out object
	for _, name := range names {
		if v := o.get(name); v != nil {
			out = append(out, field{name, v})
		}
	}
	return out
}

// treeOf turns a message of gateway/v1 into the object that users see: fields in
// the order of the schema, numbers as numbers, times as RFC 3339, durations as Go
// writes them. Empty scalars and lists are there, messages that are not set are
// not. Empty fields of metadata are left out, as in Kubernetes.
func treeOf(m proto.Message) object {
	return messageTree(m.ProtoReflect())
}

func messageTree(m protoreflect.Message) object {
	sparse := m.Descriptor().Name() == "Metadata"
	fields := m.Descriptor().Fields()
	out := object{}
	for i := range fields.Len() {
		f := fields.Get(i)
		if !m.Has(f) && (sparse || f.Message() != nil && !f.IsList() && !f.IsMap()) {
			continue
		}
		out = append(out, field{f.JSONName(), fieldTree(f, m.Get(f))})
	}
	return out
}

func fieldTree(f protoreflect.FieldDescriptor, v protoreflect.Value) any {
	switch {
	case f.IsMap():
		out := map[string]any{}
		v.Map().Range(func(k protoreflect.MapKey, e protoreflect.Value) bool {
			out[k.String()] = scalarTree(f.MapValue(), e)
			return true
		})
		return sorted(out)
	case f.IsList():
		out := []any{}
		for i := range v.List().Len() {
			out = append(out, scalarTree(f, v.List().Get(i)))
		}
		return out
	}
	return scalarTree(f, v)
}

func scalarTree(f protoreflect.FieldDescriptor, v protoreflect.Value) any {
	switch f.Kind() {
	case protoreflect.MessageKind, protoreflect.GroupKind:
		return wellKnown(v.Message())
	case protoreflect.BytesKind:
		return string(v.Bytes())
	}
	return v.Interface()
}

// wellKnown writes the messages of google.protobuf as people do.
func wellKnown(m protoreflect.Message) any {
	switch x := m.Interface().(type) {
	case *timestamppb.Timestamp:
		return x.AsTime().Format(time.RFC3339Nano)
	case *durationpb.Duration:
		return x.AsDuration().String()
	case *structpb.Struct:
		return sorted(x.AsMap())
	}
	return messageTree(m)
}

// sorted makes an object of a map, at all depths.
func sorted(m map[string]any) object {
	out := object{}
	for _, k := range slices.Sorted(maps.Keys(m)) {
		v := m[k]
		if inner, ok := v.(map[string]any); ok {
			v = sorted(inner)
		}
		if list, ok := v.([]any); ok {
			v = sortedList(list)
		}
		out = append(out, field{k, v})
	}
	return out
}

func sortedList(list []any) []any {
	out := []any{}
	for _, v := range list {
		if inner, ok := v.(map[string]any); ok {
			v = sorted(inner)
		}
		out = append(out, v)
	}
	return out
}

// appendJSON writes a value; indent is the line prefix, or "" with compact set.
func appendJSON(dst []byte, v any, indent string, compact bool) []byte {
	inner := indent + "  "
	begin := func(n int) {
		if n > 0 {
			dst = append(dst, ',')
		}
		if !compact {
			dst = append(append(dst, '\n'), inner...)
		}
	}
	end := func(n int) {
		if n > 0 && !compact {
			dst = append(append(dst, '\n'), indent...)
		}
	}
	switch v := v.(type) {
	case object:
		dst = append(dst, '{')
		for n, f := range v {
			begin(n)
			dst = append(appendScalar(dst, f.name), ':')
			if !compact {
				dst = append(dst, ' ')
			}
			dst = appendJSON(dst, f.value, inner, compact)
		}
		end(len(v))
		return append(dst, '}')
	case []any:
		dst = append(dst, '[')
		for n, e := range v {
			begin(n)
			dst = appendJSON(dst, e, inner, compact)
		}
		end(len(v))
		return append(dst, ']')
	}
	return appendScalar(dst, v)
}

func appendScalar(dst []byte, v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("a tree holds %T: %v", v, err)) // invariant of object
	}
	return append(dst, text...)
}
