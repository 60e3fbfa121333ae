// Package httpserver serves everything of a gateway on one port with TLS: gRPC
// by its content type, HTTP/JSON of the same services (mapping: gateway/v1
// rest.yaml), the OpenAPI description, health and readiness. Metrics have a
// port of their own, without TLS, for scrapers on the same machine.
//
// JSON requests call the services in the process, without another connection.
package httpserver
