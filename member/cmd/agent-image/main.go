// Command agent-image writes a container image of hansa-agent, as "docker load" and "ctr
// images import" take it. It needs no registry and no container runtime.
package main

import (
	"flag"
	"fmt"
	"os"

	"github.com/hansa-io/hansa/member/cluster/images"
)

func main() {
	name := flag.String("name", "hansa-agent:latest", "name and tag of the image")
	out := flag.String("o", "hansa-agent.tar", "file to write")
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "agent-image [-name NAME:TAG] [-o FILE] HANSA-AGENT")
		flag.PrintDefaults()
	}
	flag.Parse()
	if flag.NArg() != 1 {
		flag.Usage()
		os.Exit(2)
	}
	if err := write(*out, *name, flag.Arg(0)); err != nil {
		fmt.Fprintln(os.Stderr, "agent-image:", err)
		os.Exit(1)
	}
}

func write(path, name, program string) error {
	b, err := os.ReadFile(program)
	if err != nil {
		return fmt.Errorf("read the program: %w", err)
	}
	file := images.File{Name: "bin/hansa-agent", Data: b}
	return images.Build(path, name, []images.File{file}, []string{"/" + file.Name})
}
