package federationv1

import (
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// mendText replaces what is not UTF-8 in every string of m, at any depth, by the
// replacement character. Map keys that are not UTF-8 are dropped.
func mendText(m protoreflect.Message) {
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case f.IsMap():
			mendMap(f, v.Map())
		case f.IsList():
			mendList(f, v.List())
		default:
			m.Set(f, mendValue(f, v))
		}
		return true
	})
}

func mendList(f protoreflect.FieldDescriptor, list protoreflect.List) {
	for i := range list.Len() {
		list.Set(i, mendValue(f, list.Get(i)))
	}
}

func mendMap(f protoreflect.FieldDescriptor, m protoreflect.Map) {
	m.Range(func(k protoreflect.MapKey, v protoreflect.Value) bool {
		if mended := valid(k.String()); mended != k.String() {
			m.Clear(k)
			return true
		}
		m.Set(k, mendValue(f.MapValue(), v))
		return true
	})
}

func mendValue(f protoreflect.FieldDescriptor, v protoreflect.Value) protoreflect.Value {
	switch f.Kind() {
	case protoreflect.MessageKind:
		mendText(v.Message())
	case protoreflect.StringKind:
		return protoreflect.ValueOfString(valid(v.String()))
	}
	return v
}

func valid(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }
