// Package reach holds the rights in a member of those who reach its API through a
// gateway, and of its agent to impersonate them: rbac.yaml, which embedded members have
// and which the owner of an attached cluster applies and edits.
package reach

import _ "embed"

// RBAC is the manifest rbac.yaml.
//
//go:embed rbac.yaml
var RBAC []byte
