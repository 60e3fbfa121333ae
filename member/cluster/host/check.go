package host

import (
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// needs lists the programs that containerd nodes run, and the package of a Debian
// that has each.
var needs = []struct{ program, pkg string }{
	{"containerd", "containerd"},
	{"ctr", "containerd"},
	{"runc", "runc"},
	{"/usr/lib/cni/bridge", "containernetworking-plugins"},
	{"/usr/lib/cni/host-local", "containernetworking-plugins"},
	{"iptables", "iptables"},
	{"busybox", "busybox-static"},
	{"nsenter", "util-linux"},
}

// Check says in one line what containerd nodes lack on this machine, and how to
// install it. cluster is the path of hansa-cluster.
func Check(cluster string) error {
	if runtime.GOOS != "linux" {
		return errors.New("containerd nodes need Linux: use nodes of the kind simulated")
	}
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
	if err := checkStatic("busybox"); err != nil {
		return err
	}
	_, err := PodBinary(cluster)
	return err
}

// checkStatic refuses a program that needs libraries, which no image has.
func checkStatic(program string) error {
	path, err := exec.LookPath(program)
	if err != nil {
		return err
	}
	file, err := elf.Open(path)
	if err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	defer file.Close()
	for _, part := range file.Progs {
		if part.Type == elf.PT_INTERP {
			return fmt.Errorf("containerd nodes need a static %s, and %s is none: install with \"apt-get install -y --no-install-recommends %s-static\"",
				program, path, program)
		}
	}
	return nil
}

// PodBinary finds hansa-pod, beside hansa-cluster or on the PATH.
func PodBinary(cluster string) (string, error) {
	beside := filepath.Join(filepath.Dir(cluster), "hansa-pod")
	if _, err := os.Stat(beside); err == nil {
		return beside, nil
	}
	found, err := exec.LookPath("hansa-pod")
	if err != nil {
		return "", fmt.Errorf("hansa-pod is neither beside %s nor on the PATH: build it with \"make build\"", cluster)
	}
	return found, nil
}
