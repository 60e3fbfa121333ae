package host

import (
	"fmt"
	"regexp"
	"strings"
)

// Clean removes everything of a network, and kills what still runs in its nodes.
func (n Network) Clean() error {
	if err := n.clean(func(string) bool { return true }); err != nil {
		return err
	}
	return n.removeLinks(func(name string) bool {
		return name == n.Bridge() || strings.HasPrefix(name, n.linkPrefix())
	})
}

// CleanMember removes what the nodes of one member left.
func (n Network) CleanMember(member string) error {
	own := regexp.MustCompile(`^` + regexp.QuoteMeta(member) + `-node-[0-9]+$`)
	return n.clean(own.MatchString)
}

// CleanNode removes what one node left.
func (n Network) CleanNode(node string) error {
	if err := n.clean(func(name string) bool { return name == node }); err != nil {
		return err
	}
	return n.removeLinks(func(name string) bool { return name == n.Link(node) })
}

func (n Network) clean(which func(node string) bool) error {
	if !n.Valid() {
		return fmt.Errorf("network %q: want eight hexadecimal digits", n)
	}
	dirs, err := n.found(which)
	if err != nil {
		return err
	}
	return removeGroups(dirs)
}
