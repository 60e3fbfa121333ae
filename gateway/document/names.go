package document

import (
	"regexp"
)

var (
	label     = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`)
	subdomain = regexp.MustCompile(`^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$`)
	// path is what RBAC allows in names: everything but what a URL path cannot hold.
	path = regexp.MustCompile(`^[^/%]+$`)
)

// Limits of names, by Kubernetes' rules.
const (
	maxLabel     = 63
	maxSubdomain = 253
)

// checkNames refuses names that no API server would take.
func checkNames(d located, h header) error {
	name, namespace := h.Metadata.Name, h.Metadata.Namespace
	switch {
	case name == "" && h.Metadata.GenerateName != "":
		return d.errorf(d.line, "%s: metadata.generateName is not possible here: every member must have the same name, so set metadata.name", h.Kind)
	case name == "":
		return d.errorf(d.line, "%s: metadata.name must be set", h.Kind)
	case len(name) > maxSubdomain:
		return d.errorf(d.line, "%s: metadata.name has %d characters: at most %d are possible", h.Kind, len(name), maxSubdomain)
	case !nameRule(h).MatchString(name):
		return d.errorf(d.line, "%s %q: metadata.name must be lower-case letters, digits, \"-\" and \".\", beginning and ending with a letter or digit", h.Kind, name)
	case needsLabel(h) && (len(name) > maxLabel || !label.MatchString(name)):
		return d.errorf(d.line, "%s %q: metadata.name must be a DNS label: lower-case letters, digits and \"-\", at most %d characters (has %d)", h.Kind, name, maxLabel, len(name))
	case namespace != "" && (len(namespace) > maxLabel || !label.MatchString(namespace)):
		return d.errorf(d.line, "%s %s: metadata.namespace %q must be a DNS label of at most %d characters", h.Kind, name, namespace, maxLabel)
	}
	return nil
}

func nameRule(h header) *regexp.Regexp {
	switch h.Kind {
	case "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding":
		return path
	}
	return subdomain
}

// needsLabel names the kinds whose names end up in DNS names or label values.
func needsLabel(h header) bool {
	switch h.Kind {
	case "Service", "Namespace", "Placement", "ServiceExport", "ServiceImport", "StatefulSet", "Job":
		return true
	}
	return false
}
