package kube

import "net/http"

// mostRequests is how many requests wait for an answer at once. All go over one
// connection, on which an API server takes 100 together; those beyond open connections of
// their own, each of which costs both sides more than the request does. Streams that are
// open all the time, one for each kind that is watched, have the rest.
const mostRequests = 72

// lanes holds requests back while so many are under way.
type lanes struct {
	to   http.RoundTripper
	free chan struct{} // has a token for each that is under way
}

func newLanes(to http.RoundTripper) *lanes {
	return &lanes{to: to, free: make(chan struct{}, mostRequests)}
}

// RoundTrip waits for a lane and returns when the answer begins.
func (l *lanes) RoundTrip(r *http.Request) (*http.Response, error) {
	select {
	case l.free <- struct{}{}:
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
	defer func() { <-l.free }()
	return l.to.RoundTrip(r)
}
