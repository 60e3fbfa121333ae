package containerd

import (
	"fmt"
	"io"
	"os"
)

// maxTarball is the largest tarball of images that is taken, in bytes.
const maxTarball = 8 << 30

// spool writes a tarball to a file of dir, to be read once for each node.
func spool(dir string, tarball io.Reader) (*os.File, error) {
	file, err := os.CreateTemp(dir, "images-*.tar")
	if err != nil {
		return nil, fmt.Errorf("keep images: %w", err)
	}
	size, err := io.Copy(file, io.LimitReader(tarball, maxTarball+1))
	if err == nil && size > maxTarball {
		err = fmt.Errorf("the file is larger than %d GiB", maxTarball>>30)
	}
	if err != nil {
		discard(file)
		return nil, fmt.Errorf("keep images: %w", err)
	}
	return file, nil
}

func discard(file *os.File) {
	file.Close()
	os.Remove(file.Name())
}
