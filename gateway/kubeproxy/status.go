package kubeproxy

import (
	"encoding/json"
	"net/http"
)

// reasons are the field's words for the codes of refusals, by which clients branch.
var reasons = map[int]string{
	http.StatusBadRequest: "BadRequest", http.StatusUnauthorized: "Unauthorized", http.StatusForbidden: "Forbidden",
	http.StatusNotFound: "NotFound", http.StatusServiceUnavailable: "ServiceUnavailable", http.StatusTooManyRequests: "TooManyRequests",
}

// refusal is a Status object of Kubernetes.
type refusal struct {
	Kind       string   `json:"kind"`
	APIVersion string   `json:"apiVersion"`
	Metadata   struct{} `json:"metadata"`
	Status     string   `json:"status"`
	Message    string   `json:"message"`
	Reason     string   `json:"reason"`
	Code       int      `json:"code"`
}

// discovery are the paths at which clients look what is served. They show the message of
// a refusal there only when it is plain text, and then only for some codes.
var discovery = map[string]bool{"/api": true, "/apis": true}

// refuse answers with a Status.
func refuse(w http.ResponseWriter, path string, code int, message string) {
	if discovery[path] && code != http.StatusUnauthorized {
		if code == http.StatusNotFound {
			code = http.StatusForbidden
		}
		http.Error(w, message, code)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(refusal{ // the caller may be gone
		Kind: "Status", APIVersion: "v1", Status: "Failure", Message: message, Reason: reasons[code], Code: code,
	})
}
