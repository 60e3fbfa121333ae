package containerd

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/hansa-io/hansa/member/cluster/images"
)

// pluginDir is where distributions have the CNI plugins.
const pluginDir = "/usr/lib/cni"

// needs lists the programs and the package of a Debian that has each.
var needs = []struct{ program, pkg string }{
	{"containerd", "containerd"},
	{"ctr", "containerd"},
	{"runc", "runc"},
	{filepath.Join(pluginDir, "bridge"), "containernetworking-plugins"},
	{filepath.Join(pluginDir, "host-local"), "containernetworking-plugins"},
	{"iptables", "iptables"},
	{"busybox", "busybox-static"},
	{"nsenter", "util-linux"},
}

// Check says in one line what containerd nodes lack on this machine, and how to
// install it.
func Check() error {
	if os.Geteuid() != 0 {
		return errors.New("containerd nodes need root: use sudo, or nodes of the kind simulated")
	}
	var missing, packages []string
	for _, need := range needs {
		if _, err := exec.LookPath(need.program); err == nil {
			continue
		}
		missing = append(missing, need.program)
		if len(packages) == 0 || packages[len(packages)-1] != need.pkg {
			packages = append(packages, need.pkg)
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("containerd nodes need %s: install with \"apt-get install -y --no-install-recommends %s\"",
			strings.Join(missing, ", "), strings.Join(packages, " "))
	}
	_, err := podBinary()
	return err
}

// podBinary finds hansa-pod, beside this program or on the PATH.
func podBinary() (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("find this program: %w", err)
	}
	beside := filepath.Join(filepath.Dir(self), "hansa-pod")
	if _, err := os.Stat(beside); err == nil {
		return beside, nil
	}
	found, err := exec.LookPath("hansa-pod")
	if err != nil {
		return "", fmt.Errorf("hansa-pod is neither beside %s nor on the PATH: build it with \"make build\"", self)
	}
	return found, nil
}

// binaries finds what the images are made of.
func binaries() (images.Binaries, error) {
	pod, err := podBinary()
	if err != nil {
		return images.Binaries{}, err
	}
	busybox, err := exec.LookPath("busybox")
	if err != nil {
		return images.Binaries{}, fmt.Errorf("find busybox: %w", err)
	}
	applets, err := exec.Command(busybox, "--list").Output()
	if err != nil {
		return images.Binaries{}, fmt.Errorf("list the commands of busybox: %w", err)
	}
	return images.Binaries{Pod: pod, Busybox: busybox, Applets: strings.Fields(string(applets))}, nil
}
