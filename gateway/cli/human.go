package cli

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"
)

// none stands in a cell for what is not there.
const none = "-"

// duration is a span for people: "0.3s", "12s", "4m", "3h", "9d".
func duration(d time.Duration) string {
	switch {
	case d < 0:
		return "-" + duration(-d)
	case d < 10*time.Second:
		return fmt.Sprintf("%.1fs", d.Seconds())
	case d < 2*time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < 2*time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", int(d.Hours()))
	}
	return fmt.Sprintf("%dd", int(d.Hours()/24))
}

// milliseconds is the duration of a field that counts them.
func milliseconds(ms float64) time.Duration {
	return time.Duration(ms * float64(time.Millisecond))
}

// heard is the age in a field where −1 means never.
func heard(ms float64) string {
	if ms < 0 {
		return "never"
	}
	return duration(milliseconds(ms))
}

// heardAgo is heard for the end of a sentence: "0.3s ago", "never".
func heardAgo(ms float64) string {
	if ms < 0 {
		return heard(ms)
	}
	return heard(ms) + " ago"
}

// measured is a measure in a field where −1 means that it was not reached.
func measured(ms float64) string {
	if ms < 0 {
		return none
	}
	return fmt.Sprintf("%.1fs", ms/1000)
}

// promised is an objective, where 0 means none.
func promised(ms float64) string {
	if ms == 0 {
		return none
	}
	return fmt.Sprintf("%.1fs", ms/1000)
}

// since is how long ago a moment was on this machine's clock.
func since(at *timestamppb.Timestamp) string {
	if at == nil || at.AsTime().Unix() <= 0 {
		return none
	}
	return duration(max(0, time.Since(at.AsTime())))
}

func or(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

// units are the suffixes of Kubernetes quantities.
var units = map[string]float64{
	"": 1, "n": 1e-9, "u": 1e-6, "m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12,
	"Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30, "Ti": 1 << 40,
}

// quantity reads a Kubernetes quantity ("3500m", "16Gi"); false when it is none.
func quantity(text string) (float64, bool) {
	digits := strings.TrimRight(text, "inumkKMGT")
	unit, known := units[text[len(digits):]]
	value, err := strconv.ParseFloat(digits, 64)
	return value * unit, known && err == nil
}

// cores is a quantity of CPU: "3.5".
func cores(text string) string {
	v, ok := quantity(text)
	if !ok {
		return none
	}
	return strconv.FormatFloat(float64(int64(v*100))/100, 'f', -1, 64)
}

// size is a quantity of memory: "15.2Gi".
func size(text string) string {
	v, ok := quantity(text)
	if !ok {
		return none
	}
	for _, unit := range []string{"Ti", "Gi", "Mi", "Ki"} {
		if v >= units[unit] {
			return strconv.FormatFloat(float64(int64(v/units[unit]*10))/10, 'f', -1, 64) + unit
		}
	}
	return strconv.FormatFloat(v, 'f', -1, 64)
}

// freeOf is "free/all" of one resource.
func freeOf(resource string, free, capacity map[string]string) string {
	show := cores
	if resource == "memory" {
		show = size
	}
	if capacity[resource] == "" {
		return none
	}
	return show(or(free[resource], "0")) + "/" + show(capacity[resource])
}

// plural is "1 object", "2 objects".
func plural(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return strconv.Itoa(n) + " " + word + "s"
}
