package kubeproxy

import "sync"

// mostRequests is how many requests one caller may have under way to one member: a
// quarter of the connections that the member takes, so that nobody's watches keep others
// out.
const mostRequests = 64

// share is one caller at one member.
type share struct{ user, member string }

// shares count the requests under way.
type shares struct {
	mu   sync.Mutex
	open map[share]int
}

// take counts one more; false when there are too many.
func (s *shares) take(r request) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	of := share{r.user, r.member}
	if s.open[of] >= mostRequests {
		return false
	}
	s.open[of]++
	return true
}

// give counts one less.
func (s *shares) give(r request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	of := share{r.user, r.member}
	if s.open[of]--; s.open[of] == 0 {
		delete(s.open, of)
	}
}
