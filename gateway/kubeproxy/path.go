package kubeproxy

import (
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/hansa-io/hansa/gateway/grpcserver"
)

// Prefix is where the members' APIs are.
const Prefix = "/members/"

// target is what a request is about.
type target struct {
	member string
	path   string // in the member, decoded
	raw    string // the same as it was written
}

// parse splits the path of a request; false: nobody could mean that.
func parse(u *url.URL) (target, bool) {
	raw := u.EscapedPath()
	lower := strings.ToLower(raw)
	for _, ambiguous := range []string{"%2f", "%5c", "%2e", "%00", "\\", ";", "//"} {
		if strings.Contains(lower, ambiguous) {
			return target{}, false
		}
	}
	if strings.ContainsFunc(u.Path, func(r rune) bool { return r < ' ' || r == 0x7f }) || path.Clean(u.Path) != strings.TrimSuffix(u.Path, "/") {
		return target{}, false
	}
	member, rest, _ := strings.Cut(strings.TrimPrefix(u.Path, Prefix), "/")
	rawMember, rawRest, _ := strings.Cut(strings.TrimPrefix(raw, Prefix), "/")
	return target{member: member, path: "/" + rest, raw: "/" + rawRest}, member != "" && member == rawMember
}

// runs are the subresources that run something in the member, also by GET.
var runs = []string{"exec", "attach", "portforward", "proxy"}

// asks are what everybody may ask about himself, although it is a POST.
var asks = []string{"selfsubjectaccessreviews", "selfsubjectrulesreviews", "selfsubjectreviews"}

// permitted reports whether the role may do that at all.
func permitted(role grpcserver.Role, method, p string, upgrade bool) bool {
	if role >= grpcserver.Operator {
		return true
	}
	words, api := resource(p)
	if api && method == http.MethodPost && len(words) == 1 && slices.Contains(asks, words[0]) {
		return !upgrade
	}
	reads := method == http.MethodGet || method == http.MethodHead
	return reads && !upgrade && (!api || len(words) < 3 || !slices.Contains(runs, words[2])) && !slices.Contains(words[:min(1, len(words))], "proxy")
}

// resource returns resource, name and subresource of a path, as an API server reads it;
// false when the path is about none.
func resource(p string) ([]string, bool) {
	words := strings.Split(strings.Trim(p, "/"), "/")
	switch {
	case words[0] == "api" && len(words) > 2:
		words = words[2:]
	case words[0] == "apis" && len(words) > 3:
		words = words[3:]
	default:
		return nil, false
	}
	if words[0] == "watch" {
		words = words[1:]
	}
	if len(words) > 2 && words[0] == "namespaces" && words[2] != "status" && words[2] != "finalize" {
		words = words[2:]
	}
	return words, true
}
