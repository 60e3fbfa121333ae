package containerd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"strconv"
	"time"

	"github.com/hansa-io/hansa/member/cluster/host"
	"github.com/hansa-io/hansa/member/cluster/node"
)

// serve answers on the socket of the nodes until ctx ends:
//
//	GET  /nodes              the nodes and their states
//	POST /nodes/NAME/VERB    a drill
//	POST /images             a tarball of images, for all nodes that run
func (n *Nodes) serve(ctx context.Context) error {
	listener, err := host.Listen(n.opts.Socket)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: n.handler(), ReadHeaderTimeout: 5 * time.Second}
	stop := context.AfterFunc(ctx, func() { server.Close() })
	defer stop()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve on the socket of the nodes: %w", err)
	}
	return nil
}

func (n *Nodes) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /nodes", func(w http.ResponseWriter, _ *http.Request) { answer(w, n.States(), nil) })
	mux.HandleFunc("POST /nodes/{name}/{verb}", func(w http.ResponseWriter, r *http.Request) {
		err := n.Drill(r.PathValue("name"), r.PathValue("verb"))
		answer(w, n.States(), err)
	})
	mux.HandleFunc("POST /images", func(w http.ResponseWriter, r *http.Request) {
		loaded, err := n.LoadImages(r.Context(), r.Body)
		answer(w, loaded, err)
	})
	return mux
}

// answer sends value, or the error as one line.
func answer(w http.ResponseWriter, value any, err error) {
	if err != nil {
		http.Error(w, err.Error(), http.StatusConflict)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(value) // the client has gone
}

// LoadImages imports a tarball of images into every node that runs, and returns
// their names.
func (n *Nodes) LoadImages(ctx context.Context, tarball io.Reader) ([]string, error) {
	file, err := spool(n.opts.Dir, tarball)
	if err != nil {
		return nil, err
	}
	defer discard(file)
	var loaded []string
	for _, s := range n.States() {
		if s.State != "Running" && s.State != "Cut" {
			continue
		}
		if _, err := file.Seek(0, io.SeekStart); err != nil {
			return nil, fmt.Errorf("read images: %w", err)
		}
		command := exec.CommandContext(ctx, "nsenter", "--mount=/proc/"+strconv.Itoa(s.PID)+"/ns/mnt", "--",
			"ctr", "--address", node.Socket, "--namespace", "k8s.io", "images", "import", "-")
		command.Stdin = file
		if out, err := command.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("import images into node %s: %w: %s", s.Name, err, out)
		}
		loaded = append(loaded, s.Name)
	}
	if len(loaded) == 0 {
		return nil, errors.New("no node of the member runs: start one first")
	}
	return loaded, nil
}
