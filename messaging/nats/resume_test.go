package nats

import (
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/messagingtest"
	"github.com/hansa-io/hansa/messaging/subject"
)

var silent = slog.New(slog.DiscardHandler)

// plant is a server that can be stopped and started again under connections that
// stay, as an operator does.
type plant struct {
	world
	hub *Conn // over TCP
}

func newPlant(t *testing.T) *plant {
	w := open(t)
	p := &plant{world: w}
	p.options.Listen = w.server.server.Load().Addr().String()
	credentials, err := w.server.keys.Credentials(HubRole, 0)
	must(t, err)
	p.hub, err = w.dialAs(credentials, "hub", "")
	must(t, err)
	t.Cleanup(p.hub.Close)
	must(t, p.hub.AwaitBuckets(t.Context(), silent))
	return p
}

// restart starts the server again after meanwhile; the hub starts with it.
func (p *plant) restart(t *testing.T, meanwhile func()) {
	t.Helper()
	p.server.Shutdown()
	meanwhile()
	s, err := StartServer(p.options)
	must(t, err)
	t.Cleanup(s.Shutdown)
	p.server = s
	limit := time.After(20 * time.Second)
	for ticks := time.NewTicker(10 * time.Millisecond); !p.hub.Connected(); {
		select {
		case <-ticks.C:
		case <-limit:
			t.Fatal("the hub does not come back")
		}
	}
	must(t, p.hub.AwaitBuckets(t.Context(), silent))
}

// backup copies the server's directory.
func (p *plant) backup(t *testing.T) (restore func(*testing.T)) {
	dir := t.TempDir()
	p.restart(t, func() { must(t, os.CopyFS(dir, os.DirFS(p.options.Dir))) })
	return func(t *testing.T) {
		p.restart(t, func() {
			must(t, os.RemoveAll(p.options.Dir))
			must(t, os.CopyFS(p.options.Dir, os.DirFS(dir)))
		})
	}
}

func (p *plant) remake(t *testing.T, bucket string) {
	must(t, p.hub.js.DeleteStream(t.Context(), streamName(bucket)))
	must(t, p.hub.EnsureBuckets(t.Context()))
}

func (p *plant) trim(t *testing.T, keep int) {
	config := bucketConfig(subject.Events, jetstream.FileStorage)
	config.MaxMsgs = int64(keep)
	_, err := p.hub.js.UpdateStream(t.Context(), config)
	must(t, err)
}

func TestResume(t *testing.T) {
	messagingtest.RunResume(t, func(t *testing.T) (messaging.Buckets, messagingtest.Operator) {
		p := newPlant(t)
		return p.hub, messagingtest.Operator{Remake: p.remake, Backup: p.backup, Trim: p.trim}
	})
}
