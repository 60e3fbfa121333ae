package net

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// prefix begins the name of everything that these tests make in the system.
const prefix = "hnet-"

// require skips the test where it cannot run, and says why.
func require(t *testing.T) {
	t.Helper()
	if os.Getenv("HANSA_CLUSTER_BIN") == "" {
		t.Skip("HANSA_CLUSTER_BIN is not set: run \"make net\"")
	}
	if os.Geteuid() != 0 {
		t.Skip("network namespaces need root")
	}
	for _, tool := range []string{"ip", "nft"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s is not installed", tool)
		}
	}
	if _, err := os.Stat(tunDevice); err != nil {
		t.Skipf("no TAP devices: %v", err)
	}
	for _, way := range [][]string{{"ip", "netns", "add", prefix + "try"}, {"ip", "netns", "del", prefix + "try"}} {
		if out, err := exec.Command(way[0], way[1:]...).CombinedOutput(); err != nil {
			t.Skipf("this machine makes no network namespaces: %s", out)
		}
	}
}

// alone waits for the run of another test process to end.
func alone(t *testing.T) {
	t.Helper()
	file, err := os.OpenFile(filepath.Join(os.TempDir(), prefix+"lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	await(t, 10*time.Minute, func() string {
		if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
			return "another run has the lock " + file.Name()
		}
		return ""
	})
}

// sweep removes what carries the prefix: processes in the namespaces, by their
// number, then the namespaces with their devices, mounts and directories. It
// returns what was there.
func sweep() (found []string, err error) {
	names, _ := filepath.Glob("/run/netns/" + prefix + "*")
	for _, name := range names {
		name = filepath.Base(name)
		found = append(found, "namespace "+name)
		out, _ := exec.Command("ip", "netns", "pids", name).Output()
		for _, field := range strings.Fields(string(out)) {
			found = append(found, "process "+field+" in "+name)
			if pid, err := strconv.Atoi(field); err == nil {
				_ = syscall.Kill(pid, syscall.SIGKILL) // it may have ended
			}
		}
		if out, e := exec.Command("ip", "netns", "del", name).CombinedOutput(); e != nil {
			err = fmt.Errorf("remove namespace %s: %s", name, out)
		}
	}
	mounts, _ := os.ReadFile("/proc/self/mounts")
	for _, line := range strings.Split(string(mounts), "\n") {
		if fields := strings.Fields(line); len(fields) > 1 && strings.Contains(fields[1], "/"+prefix) && !strings.HasPrefix(fields[1], "/run/") {
			found = append(found, "mount "+fields[1])
			err = firstOf(err, syscall.Unmount(fields[1], syscall.MNT_DETACH))
		}
	}
	homes, _ := filepath.Glob(filepath.Join(os.TempDir(), prefix+"home*"))
	for _, home := range homes {
		found = append(found, "directory "+home)
		err = firstOf(err, os.RemoveAll(home))
	}
	return found, err
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// await repeats look until it returns "", at most for limit, and returns the time.
func await(t *testing.T, limit time.Duration, look func() string) time.Time {
	t.Helper()
	lacking := repeat(t, limit, look)
	if lacking != "" {
		t.Fatalf("after %v: %s", limit, lacking)
	}
	return time.Now()
}

// throughout repeats look for all of limit; it must return "" each time.
func throughout(t *testing.T, limit time.Duration, look func() string) {
	t.Helper()
	wrong := ""
	repeat(t, limit, func() string {
		if wrong = look(); wrong != "" {
			return ""
		}
		return "goes on"
	})
	if wrong != "" {
		t.Fatalf("within %v: %s", limit, wrong)
	}
}

// repeat calls look until it returns "" or limit is over; it returns the last answer.
func repeat(t *testing.T, limit time.Duration, look func() string) string {
	t.Helper()
	end := time.NewTimer(limit)
	defer end.Stop()
	ticks := time.NewTicker(20 * time.Millisecond)
	defer ticks.Stop()
	for {
		last := look()
		if last == "" {
			return ""
		}
		select {
		case <-end.C:
			return last
		case <-t.Context().Done():
			return "the test ended: " + last
		case <-ticks.C:
		}
	}
}
