package containerd

import (
	"fmt"
	"os"
	"os/exec"
	"strings"

	"github.com/hansa-io/hansa/member/cluster/host"
	"github.com/hansa-io/hansa/member/cluster/images"
)

// programs are the files of this machine that nodes are made of.
type programs struct {
	self   string // this program
	images images.Binaries
}

// findPrograms checks the machine first.
func findPrograms() (programs, error) {
	self, err := os.Executable()
	if err != nil {
		return programs{}, fmt.Errorf("find this program: %w", err)
	}
	if err := host.Check(self); err != nil {
		return programs{}, err
	}
	pod, err := host.PodBinary(self)
	if err != nil {
		return programs{}, err
	}
	busybox, err := exec.LookPath("busybox")
	if err != nil {
		return programs{}, fmt.Errorf("find busybox: %w", err)
	}
	applets, err := exec.Command(busybox, "--list").Output()
	if err != nil {
		return programs{}, fmt.Errorf("list the commands of busybox: %w", err)
	}
	return programs{self: self, images: images.Binaries{
		Pod: pod, Busybox: busybox, Applets: strings.Fields(string(applets)),
	}}, nil
}
