// Package certfile serves a TLS certificate from two files and reads them again when
// they change, so that a certificate is replaced without a restart.
//
// A pair that cannot be used, for example one of which only one file was replaced yet,
// changes nothing: the last good one goes on being served, and the files are looked at
// again with a later handshake.
package certfile

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// lookEvery bounds how often the files are looked at.
const lookEvery = time.Second

// File is a certificate with its key. It is safe for concurrent use.
type File struct {
	certFile, keyFile string
	every             time.Duration
	log               *slog.Logger

	mu     sync.Mutex
	pair   *tls.Certificate
	seen   [2]state  // of the files that pair was read from, or that could not be read
	looked time.Time // when the files were looked at last
	told   string    // why they are not served, as it was logged last
}

// state tells one content of a file from another without reading it.
type state struct {
	size     int64
	modified time.Time
}

// Open reads the certificate for the first time. A nil log means that nobody is told
// about later ones.
func Open(certFile, keyFile string, log *slog.Logger) (*File, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	f := &File{certFile: certFile, keyFile: keyFile, every: lookEvery, log: log}
	f.looked = time.Now()
	if _, err := f.read(); err != nil {
		return nil, err
	}
	return f, nil
}

// Serve is GetCertificate of a tls.Config.
func (f *File) Serve(*tls.ClientHelloInfo) (*tls.Certificate, error) { return f.Present(), nil }

// Present returns the certificate, with its Leaf.
func (f *File) Present() *tls.Certificate {
	f.mu.Lock()
	defer f.mu.Unlock()
	if now := time.Now(); now.Sub(f.looked) >= f.every {
		f.looked = now
		f.again()
	}
	return f.pair
}

// again reads what may have changed, and tells about it once. f.mu is held.
func (f *File) again() {
	fresh, err := f.read()
	switch {
	case err != nil && err.Error() != f.told:
		f.told = err.Error()
		f.log.Warn("a changed certificate cannot be used, the last one stays", "reason", err)
	case fresh:
		f.told = ""
		f.log.Info("certificate read again", "file", f.certFile, "expires", f.pair.Leaf.NotAfter)
	}
}

// read reads the files if they are not those that were read last, and reports whether
// there is a new certificate.
func (f *File) read() (bool, error) {
	seen, err := states(f.certFile, f.keyFile)
	if err != nil || seen == f.seen {
		return false, err
	}
	f.seen = seen
	pair, err := tls.LoadX509KeyPair(f.certFile, f.keyFile)
	if err != nil {
		return false, fmt.Errorf("%s and %s are no certificate and its key: %w", f.certFile, f.keyFile, err)
	}
	f.pair = &pair
	return true, nil
}

func states(paths ...string) (out [2]state, err error) {
	for i, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			return out, fmt.Errorf("look at a certificate: %w", err)
		}
		out[i] = state{size: info.Size(), modified: info.ModTime()}
	}
	return out, nil
}
