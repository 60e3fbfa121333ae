// Package gatewayv1 is the public API of Hansa: its protobuf messages and
// services, the HTTP/JSON mapping of the same, and its description. The protocol's
// manual is in the comments of gateway.proto; all Go files but this one are
// generated from it.
package gatewayv1

import _ "embed" // for the directive below

// OpenAPI is the OpenAPI 2.0 description of the HTTP/JSON mapping, as JSON.
//
//go:embed gateway.swagger.json
var OpenAPI []byte
