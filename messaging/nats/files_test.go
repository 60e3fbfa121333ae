package nats

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestFiles: a gateway takes new credentials from its file without a restart, and keeps
// the last ones while there is something else.
func TestFiles(t *testing.T) {
	w := open(t)
	dir := t.TempDir()
	var log lines
	f := &Files{
		URLs: []string{w.server.URL()}, CAFile: filepath.Join(dir, "ca"), CredentialsFile: filepath.Join(dir, "creds"),
		Every: 10 * time.Millisecond, Log: slog.New(slog.NewTextHandler(&log, nil)),
	}
	if _, err := f.Source(); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("without files: %v", err)
	}
	put := func(text []byte) { // at once, or half of it is read
		must(t, os.WriteFile(f.CredentialsFile+".new", text, 0o600))
		must(t, os.Rename(f.CredentialsFile+".new", f.CredentialsFile))
	}
	sign := func(name string, ttl time.Duration) Credentials {
		c, err := w.server.keys.GatewayCredentials(name, ttl)
		must(t, err)
		text, err := c.Encode()
		must(t, err)
		put(text)
		return c
	}
	must(t, os.WriteFile(f.CAFile, w.ca, 0o600))
	first := sign("osaka", time.Hour)
	c, err := Dial(DialOptions{Source: f.Source, Name: "gateway"})
	must(t, err)
	defer c.Close()
	put([]byte("half"))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- f.Follow(ctx, c) }()
	if now, err := f.Source(); err != nil || now.Credentials.JWT != first.JWT {
		t.Errorf("with a bad file: %v", err)
	}
	sign("lima", 0)
	if !within(longest, func() bool { return strings.Contains(log.String(), "of another gateway") }) {
		t.Error("nobody is told of the credentials of another gateway")
	}
	second := sign("osaka", 0)
	for wait := time.After(longest); ; {
		uses, changed := c.redial.state()
		if uses == second.JWT {
			break
		}
		select {
		case <-changed:
		case <-wait:
			t.Fatal("the new credentials are not used")
		}
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("following ended with %v", err)
	}
	w.serve(t, c) // it hears answers
	if n := strings.Count(log.String(), "the last ones stay"); n != 1 {
		t.Errorf("told:\n%s", &log)
	}
	user, err := ReadUser(first.JWT)
	if err != nil || user.ExpiresAt.Sub(user.IssuedAt).Round(time.Minute) != time.Hour {
		t.Errorf("the user is %+v, %v", user, err)
	}
	if user, err = ReadUser(second.JWT); err != nil || !user.ExpiresAt.IsZero() {
		t.Errorf("without a time to live the user is %+v, %v", user, err)
	}
}

// TestCertificateIsReplaced: new connections see the certificate that the files have now,
// old ones go on.
func TestCertificateIsReplaced(t *testing.T) {
	w := open(t)
	credentials, account := w.credentials(t, "tokyo")
	c := w.dialWith(t, w.wallet(credentials), account, nil)
	next := open(t)
	for _, pair := range [][2]string{{next.options.KeyFile, w.options.KeyFile}, {next.options.CertFile, w.options.CertFile}} {
		b, err := os.ReadFile(pair[0])
		must(t, err)
		must(t, os.WriteFile(pair[1], b, 0o600))
	}
	for deadline := time.Now().Add(longest); ; {
		fresh, err := Dial(DialOptions{URLs: []string{w.server.URL()}, CA: next.ca, Credentials: credentials, Name: "x", Account: account})
		if err == nil {
			fresh.Close()
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the new certificate is not served: %v", err)
		}
	}
	if !c.Connected() {
		t.Error("a live connection was cut")
	}
}
