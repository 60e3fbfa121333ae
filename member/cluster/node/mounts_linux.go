package node

import (
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// mount gives the node /proc, /run, /var/lib and /var/log of its own. The
// directories are opened first: they may lie below what is covered.
func mount(c Config) error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_SLAVE, ""); err != nil {
		return fmt.Errorf("make mounts the node's own: %w", err)
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_SHARED, ""); err != nil {
		return fmt.Errorf("share mounts with pods: %w", err)
	}
	covers := []struct{ name, target string }{{"lib", "/var/lib"}, {"log", "/var/log"}}
	var opened []*os.File
	for _, cover := range covers {
		dir := filepath.Join(c.Dir, cover.name)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return fmt.Errorf("make directory of the node: %w", err)
		}
		file, err := os.Open(dir)
		if err != nil {
			return fmt.Errorf("open directory of the node: %w", err)
		}
		defer file.Close()
		opened = append(opened, file)
	}
	if err := unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return fmt.Errorf("mount /proc: %w", err)
	}
	for i, cover := range covers {
		source := fmt.Sprintf("/proc/self/fd/%d", opened[i].Fd())
		if err := unix.Mount(source, cover.target, "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("mount %s: %w", cover.target, err)
		}
	}
	if err := unix.Mount("tmpfs", "/run", "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=755"); err != nil {
		return fmt.Errorf("mount /run: %w", err)
	}
	return writeFiles(c)
}

func writeFiles(c Config) error {
	if err := os.MkdirAll(directoryOfConfig, 0o700); err != nil {
		return fmt.Errorf("make directory for the components: %w", err)
	}
	for name, data := range c.Files {
		if err := os.WriteFile(c.file(name), data, 0o600); err != nil {
			return fmt.Errorf("write %s: %w", name, err)
		}
	}
	return nil
}
