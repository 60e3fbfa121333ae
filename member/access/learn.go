package access

import (
	"bytes"
	"slices"
)

// mostURLs bounds how many servers a hub may name.
const mostURLs = 64

// Learn takes where the bus is now, as the hub says. New servers are used from the next
// attempt to connect on; the server by which the agent heard of them stays among them,
// so that a hub that is configured wrongly cuts nobody off. A CA that did not sign the
// certificates of the servers to which the agent is connected is not taken.
func (k *Keeper) Learn(urls []string, ca []byte) {
	now, links := k.Credentials(), k.uses()
	if len(urls) == 0 || len(urls) > mostURLs {
		return
	}
	urls = slices.Clone(urls)
	for _, l := range links {
		if at := l.Server(); at != "" && !slices.Contains(urls, "tls://"+at) {
			urls = append(urls, "tls://"+at)
		}
	}
	if len(ca) == 0 || bytes.Equal(ca, now.BusCA) || !k.trusted(links, ca) {
		ca = now.BusCA
	}
	if slices.Equal(urls, now.BusURLs) && bytes.Equal(ca, now.BusCA) {
		return
	}
	if err := k.change(func(s *State) { s.BusURLs, s.BusCA = urls, ca }); err != nil {
		k.opts.Log.Warn("where the bus is now is not written down", "reason", err)
		return
	}
	k.opts.Log.Info("the bus has other servers", "urls", urls)
	for _, l := range links {
		if err := l.Refresh(); err != nil {
			k.opts.Log.Warn("a connection does not learn where the bus is now", "reason", err)
		}
	}
}

func (k *Keeper) trusted(links []Link, ca []byte) bool {
	for _, l := range links {
		if err := l.Trusts(ca); err != nil {
			k.opts.Log.Warn("the CA of the bus that the hub names is not taken, the last one stays", "reason", err)
			return false
		}
	}
	return true
}
