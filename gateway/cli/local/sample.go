package local

import (
	"fmt"
	"io/fs"
	"path"

	"github.com/hansa-io/hansa/configs"
	gatewayv1 "github.com/hansa-io/hansa/gateway/v1"
)

// sampleSource names the sample; it is the path by which a user applies it again.
const sampleSource = "configs/samples/shop"

// sample returns the files of the built-in sample.
func sample() ([]*gatewayv1.File, error) {
	dir := "samples/shop"
	entries, err := fs.ReadDir(configs.Samples, dir)
	if err != nil {
		return nil, fmt.Errorf("read the built-in sample: %w", err)
	}
	var files []*gatewayv1.File
	for _, e := range entries {
		if path.Ext(e.Name()) != ".yaml" {
			continue
		}
		b, err := configs.Samples.ReadFile(path.Join(dir, e.Name()))
		if err != nil {
			return nil, fmt.Errorf("read the built-in sample: %w", err)
		}
		files = append(files, &gatewayv1.File{Name: path.Join(sampleSource, e.Name()), Content: b})
	}
	return files, nil
}
