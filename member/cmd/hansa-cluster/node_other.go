//go:build !linux

package main

import (
	"errors"
	"io"
)

// runNode refuses: only Linux has what a containerd node is made of.
func runNode(io.Reader, io.Writer) error { return errors.New("containerd nodes need Linux") }
