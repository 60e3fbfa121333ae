package gatewayv1

import _ "embed" // for the directive below

// OpenAPI is the OpenAPI 2.0 description of the HTTP/JSON mapping, as JSON.
//
//go:embed gateway.swagger.json
var OpenAPI []byte
