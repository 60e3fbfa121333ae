package nats

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// Files are where a process has its credentials and the CA of the bus, which somebody
// replaces from time to time.
type Files struct {
	URLs                    []string
	CAFile, CredentialsFile string
	// Every is how often Follow looks at them; 10 s by default.
	Every time.Duration
	Log   *slog.Logger // nil: nobody is told

	mu   sync.Mutex
	last Access // the last that could be read
	told string // what was logged last
}

// Source reads the files. While they cannot be read, what they said last holds.
func (f *Files) Source() (Access, error) {
	now, err := f.read()
	f.mu.Lock()
	defer f.mu.Unlock()
	if err == nil {
		f.last = now
		return now, nil
	}
	if f.last.CA == nil {
		return Access{}, err
	}
	f.tell("the bus's credentials are not read again, the last ones stay", err.Error())
	return f.last, nil
}

func (f *Files) read() (Access, error) {
	ca, err := os.ReadFile(f.CAFile)
	if err != nil {
		return Access{}, fmt.Errorf("read the bus's CA: %w", err)
	}
	if _, err := pool(ca); err != nil {
		return Access{}, fmt.Errorf("%s: %w", f.CAFile, err)
	}
	credentials, err := ReadCredentials(f.CredentialsFile)
	return Access{URLs: f.URLs, CA: ca, Credentials: credentials}, err
}

// tell warns, each thing once in a row; f.mu is held.
func (f *Files) tell(text, reason string) {
	if f.Log != nil && f.told != text+reason {
		f.Log.Warn(text, "reason", reason)
	}
	f.told = text + reason
}

// Follow lets the connection use what the files say, whenever that changes, until ctx
// ends.
func (f *Files) Follow(ctx context.Context, c *Conn) error {
	every := f.Every
	if every == 0 {
		every = 10 * time.Second
	}
	ticks := time.NewTicker(every)
	defer ticks.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticks.C:
		}
		if !c.Connected() {
			continue // every attempt reads the files
		}
		limit, cancel := context.WithTimeout(ctx, every)
		if err := c.Switch(limit); errors.Is(err, errOtherGateway) { // the rest is tried again with the next tick
			f.mu.Lock()
			f.tell("the bus's new credentials are not used", err.Error())
			f.mu.Unlock()
		}
		cancel()
	}
}
