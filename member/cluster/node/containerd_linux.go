package node

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

const (
	networkConfigs = directoryOfConfig + "/cni"
	runtimeConfig  = directoryOfConfig + "/containerd.toml"
	// PluginDir is where the distribution has the CNI plugins.
	PluginDir = "/usr/lib/cni"
)

// containerdConfig lets pods run where a process may not raise its own priority
// for the killer of processes, as in a container.
const containerdConfig = `version = 2
root = "/var/lib/containerd"
state = "/run/containerd"
disabled_plugins = ["io.containerd.internal.v1.opt", "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.aufs"]

[grpc]
  address = %q

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = %q
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = %q
    conf_dir = %q
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = %q
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
`

// networkConfig puts pods on a bridge of the node's own.
const networkConfig = `{
  "cniVersion": "0.4.0",
  "name": "hansa",
  "plugins": [
    {
      "type": "bridge", "bridge": "cni0", "isGateway": true, "hairpinMode": true,
      "ipam": {"type": "host-local", "ranges": [[{"subnet": %q}]], "routes": [{"dst": "0.0.0.0/0"}], "dataDir": "/run/cni"}
    },
    {"type": "portmap", "capabilities": {"portMappings": true}}
  ]
}
`

// containerd is the running container runtime.
type containerd struct {
	command *exec.Cmd
}

// startContainerd starts containerd, waits until it answers, and gives it the
// images.
func startContainerd(ctx context.Context, c Config) (*containerd, error) {
	if err := writeRuntimeConfig(c); err != nil {
		return nil, err
	}
	command := exec.CommandContext(ctx, "containerd", "--config", runtimeConfig, "--log-level", "warn")
	command.Stdout, command.Stderr = os.Stderr, os.Stderr
	if err := command.Start(); err != nil {
		return nil, fmt.Errorf("start containerd: %w", err)
	}
	if err := awaitSocket(ctx); err != nil {
		return nil, err
	}
	for _, image := range c.Images {
		if err := importImage(ctx, image); err != nil {
			return nil, err
		}
	}
	return &containerd{command: command}, nil
}

func writeRuntimeConfig(c Config) error {
	if err := os.MkdirAll(networkConfigs, 0o755); err != nil {
		return fmt.Errorf("make directory of the network: %w", err)
	}
	runtime := fmt.Sprintf(containerdConfig, Socket, PauseImage, PluginDir, networkConfigs, snapshotter())
	if err := os.WriteFile(runtimeConfig, []byte(runtime), 0o600); err != nil {
		return fmt.Errorf("write configuration of containerd: %w", err)
	}
	network := fmt.Sprintf(networkConfig, c.Pods)
	if err := os.WriteFile(filepath.Join(networkConfigs, "10-hansa.conflist"), []byte(network), 0o600); err != nil {
		return fmt.Errorf("write configuration of the network: %w", err)
	}
	return nil
}

// snapshotter says how layers are put together. A file system that is itself
// put together from layers, as in a container, cannot do it again.
func snapshotter() string {
	var stat unix.Statfs_t
	if unix.Statfs("/var/lib", &stat) == nil && stat.Type == unix.OVERLAYFS_SUPER_MAGIC {
		return "native"
	}
	return "overlayfs"
}

// socketLimit is how long containerd may take to answer.
const socketLimit = 20 * time.Second

func awaitSocket(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, socketLimit, errors.New("containerd did not answer"))
	defer cancel()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for {
		conn, err := net.Dial("unix", Socket)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("start containerd: %w", context.Cause(ctx))
		case <-ticker.C:
		}
	}
}

func importImage(ctx context.Context, path string) error {
	out, err := exec.CommandContext(ctx, "ctr", "--address", Socket, "--namespace", "k8s.io", "images", "import", path).CombinedOutput()
	if err != nil {
		return fmt.Errorf("import image %s: %w: %s", path, err, out)
	}
	return nil
}
