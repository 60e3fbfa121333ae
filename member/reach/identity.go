package reach

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// The headers by which a request says for whom it is made.
const (
	userHeader  = "Impersonate-User"
	groupHeader = "Impersonate-Group"
	extraPrefix = "Impersonate-Extra-"
	anyIdentity = "Impersonate-"
)

// userPrefix is before the names of all callers of gateways, so that none is the name
// of a user whom the cluster knows.
const userPrefix = "hansa:"

// groups are those of the roles of gateways.
var groups = []string{"hansa:viewers", "hansa:operators", "hansa:admins"}

// extras are what else may be said of a caller, for the cluster's audit log.
var extras = []string{"Hansa.io%2fgateway"}

// check refuses a request that is made for nobody, or for somebody whom no gateway may
// speak for.
func check(h http.Header) error {
	user, group := h.Values(userHeader), h.Values(groupHeader)
	if len(user) != 1 || len(user[0]) == len(userPrefix) || !strings.HasPrefix(user[0], userPrefix) {
		return fmt.Errorf("user %q: want one whose name begins with %q", user, userPrefix)
	}
	if len(group) != 1 || !slices.Contains(groups, group[0]) {
		return fmt.Errorf("group %q: want one of %s", group, strings.Join(groups, ", "))
	}
	for name := range h {
		extra, found := strings.CutPrefix(name, extraPrefix)
		known := name == userHeader || name == groupHeader || found && slices.Contains(extras, extra)
		if strings.HasPrefix(name, anyIdentity) && !known {
			return fmt.Errorf("header %s: a gateway sends none", name)
		}
	}
	return nil
}

// foreign are headers that would tell an API server, or a proxy before it, who asks.
var foreign = []string{"Authorization", "Proxy-Authorization", "Cookie", "Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-Ip"}

// strip removes what must not reach the API server from the outside.
func strip(h http.Header) {
	for _, name := range foreign {
		h.Del(name)
	}
	for name := range h {
		if strings.HasPrefix(name, "X-Remote-") {
			h.Del(name)
		}
	}
}

// identify says for whom the request is made, whatever became of these headers on the
// way from in: a header Connection that named them would have removed them, and left
// the request with the rights of the agent.
func identify(out, in http.Header) {
	for name, values := range in {
		if strings.HasPrefix(name, anyIdentity) {
			out[name] = slices.Clone(values)
		}
	}
}
