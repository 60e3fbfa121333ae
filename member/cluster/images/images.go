// Package images builds the container images that Hansa brings along, from static
// binaries on this machine, without a registry: one that holds pods open, a sample
// server, and a toolbox with a shell.
package images

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// Names of the images. Nothing is ever pulled from the host "localhost".
const (
	Pause   = "localhost/hansa/pause:1"
	Server  = "localhost/hansa/server:1"
	Toolbox = "localhost/hansa/toolbox:1"
)

// Binaries are the files on this machine that go into the images.
type Binaries struct {
	// Pod is hansa-pod.
	Pod string
	// Busybox is a static busybox, and Applets are its commands.
	Busybox string
	Applets []string
}

// File is one file of an image, or a link to another.
type File struct {
	Name string // without a leading slash
	Link string // where a link leads; empty for a file
	Data []byte
}

// Write writes the images as tarballs into dir and returns their paths.
func Write(dir string, from Binaries) ([]string, error) {
	pod, err := os.ReadFile(from.Pod)
	if err != nil {
		return nil, fmt.Errorf("read program for images: %w", err)
	}
	busybox, err := os.ReadFile(from.Busybox)
	if err != nil {
		return nil, fmt.Errorf("read program for images: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make directory of images: %w", err)
	}
	program := []File{{Name: "bin/hansa-pod", Data: pod}}
	tools := toolbox(program[0], File{Name: "bin/busybox", Data: busybox}, from.Applets)
	var paths []string
	for _, image := range []struct {
		name    string
		files   []File
		command []string
	}{
		{Pause, program, []string{"/bin/hansa-pod", "pause"}},
		{Server, program, []string{"/bin/hansa-pod", "serve"}},
		{Toolbox, tools, []string{"/bin/sleep", "2147483647"}},
	} {
		path := filepath.Join(dir, strings.NewReplacer("/", "-", ":", "-").Replace(image.name)+".tar")
		if err := Build(path, image.name, image.files, image.command); err != nil {
			return nil, fmt.Errorf("build image %s: %w", image.name, err)
		}
		paths = append(paths, path)
	}
	return paths, nil
}

// ownTools are the commands of the toolbox that hansa-pod has.
var ownTools = []string{"wget", "nslookup", "nc"}

func toolbox(pod, busybox File, applets []string) []File {
	files := []File{pod, busybox}
	for _, tool := range ownTools {
		files = append(files, File{Name: "bin/" + tool, Link: "/" + pod.Name})
	}
	for _, applet := range applets {
		if applet == "busybox" || strings.Contains(applet, "/") || slices.Contains(ownTools, applet) {
			continue
		}
		files = append(files, File{Name: "bin/" + applet, Link: "/" + busybox.Name})
	}
	return files
}

// Build writes an image of files, which runs command, as a tarball to path.
func Build(path, reference string, files []File, command []string) error {
	content, err := layer(files)
	if err != nil {
		return err
	}
	opened, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(content)), nil
	})
	if err != nil {
		return err
	}
	image, err := mutate.AppendLayers(empty.Image, opened)
	if err != nil {
		return err
	}
	config := &v1.ConfigFile{
		OS: "linux", Architecture: runtime.GOARCH,
		Config: v1.Config{Entrypoint: command, Env: []string{"PATH=/bin"}},
	}
	file, err := image.ConfigFile()
	if err != nil {
		return err
	}
	config.RootFS, config.History = file.RootFS, file.History
	if image, err = mutate.ConfigFile(image, config); err != nil {
		return err
	}
	tag, err := name.NewTag(reference)
	if err != nil {
		return err
	}
	return tarball.WriteToFile(path, tag, image)
}

// layer packs files, and the directories that a shell expects.
func layer(files []File) ([]byte, error) {
	var out bytes.Buffer
	writer := tar.NewWriter(&out)
	for _, dir := range []string{"bin/", "etc/", "tmp/"} {
		header := &tar.Header{Typeflag: tar.TypeDir, Name: dir, Mode: 0o755}
		if dir == "tmp/" {
			header.Mode = 0o1777
		}
		if err := writer.WriteHeader(header); err != nil {
			return nil, err
		}
	}
	for _, file := range files {
		header := &tar.Header{Typeflag: tar.TypeReg, Name: file.Name, Mode: 0o755, Size: int64(len(file.Data))}
		if file.Link != "" {
			header.Typeflag, header.Linkname = tar.TypeSymlink, file.Link
		}
		if err := writer.WriteHeader(header); err != nil {
			return nil, err
		}
		if _, err := writer.Write(file.Data); err != nil {
			return nil, err
		}
	}
	return out.Bytes(), writer.Close()
}
