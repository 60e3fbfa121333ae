package federation

import (
	"encoding/json"
	"fmt"
	"strings"
)

// maxFieldText bounds what is told of one field's value, in bytes.
const maxFieldText = 120

// FieldText tells people the value of a field of an object: as JSON, cut off where it is
// long; of a field with what a Secret holds only that there is a value; empty for nil,
// which is no field. The path is as FieldDrift has it.
func FieldText(path string, v any, secret bool) string {
	if v == nil {
		return ""
	}
	if secret && (strings.HasPrefix(path, "data") || strings.HasPrefix(path, "stringData")) {
		return "(secret)"
	}
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	if len(b) > maxFieldText {
		return strings.ToValidUTF8(string(b[:maxFieldText]), "") + "…"
	}
	return string(b)
}
