package local

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/hansa-io/hansa/member/cluster/pki"
)

// The files of the home's own authority, in its pki directory.
const (
	caCert     = "ca.crt"
	caKey      = "ca.key"
	serverCert = "server.crt"
	serverKey  = "server.key"
	adminToken = "admin.token"
	tokensFile = "tokens.yaml"
)

func isMissing(err error) bool { return errors.Is(err, fs.ErrNotExist) }

// ensurePKI makes what is missing: the home's authority, the certificate of the
// gateway and the bus for 127.0.0.1 and localhost, and the administrator's token.
func (h Home) ensurePKI() error {
	dir := h.path("pki")
	if _, err := os.Stat(filepath.Join(dir, tokensFile)); err == nil {
		return nil
	}
	authority, err := pki.NewAuthority("hansa local", time.Now())
	if err != nil {
		return err
	}
	server, err := authority.Issue(pki.Request{
		CommonName: "hansa", DNSNames: []string{"localhost"}, IPs: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
	})
	if err != nil {
		return err
	}
	secret := make([]byte, 32)
	if _, err := rand.Read(secret); err != nil {
		return fmt.Errorf("draw the administrator's token: %w", err)
	}
	token := base64.RawURLEncoding.EncodeToString(secret)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	// tokensFile comes last: its presence says that the set is whole.
	for _, f := range []struct {
		name string
		data []byte
	}{
		{caCert, authority.Pair().Certificate},
		{caKey, authority.Pair().Key},
		{serverCert, server.Certificate},
		{serverKey, server.Key},
		{adminToken, []byte(token + "\n")},
		{tokensFile, []byte("tokens:\n- {name: admin, role: admin, token: " + token + "}\n")},
	} {
		if err := os.WriteFile(filepath.Join(dir, f.name), f.data, 0o600); err != nil {
			return fmt.Errorf("write %s: %w", f.name, err)
		}
	}
	return nil
}
