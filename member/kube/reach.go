package kube

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
)

// Reach returns where the API server is, and a transport to it with this client's
// credentials. It speaks HTTP/1.1 alone: an upgrade takes a connection over, which
// HTTP/2 cannot give away.
func (c *Client) Reach() (*url.URL, http.RoundTripper, error) {
	config := rest.CopyConfig(c.config)
	config.NextProtos = []string{"http/1.1"}
	transport, err := rest.TransportFor(config)
	if err != nil {
		return nil, nil, fmt.Errorf("open %s: %w", config.Host, err)
	}
	address, _, err := rest.DefaultServerUrlFor(config)
	if err != nil {
		return nil, nil, fmt.Errorf("read the address of the API server: %w", err)
	}
	return address, transport, nil
}

// WriteStatus answers a request as an API server refuses one, so that its clients show
// the message.
func WriteStatus(w http.ResponseWriter, code int, message string) {
	reason := metav1.StatusReasonForbidden
	if code >= http.StatusInternalServerError {
		reason = metav1.StatusReasonServiceUnavailable
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(metav1.Status{ // the caller may be gone
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}, Status: metav1.StatusFailure, Message: message, Reason: reason, Code: int32(code),
	})
}
