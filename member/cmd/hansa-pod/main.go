// Command hansa-pod is what Hansa itself runs in containerd nodes, small and
// without any library: the first process of a node, the process that holds a
// pod's namespaces, and the server of the samples.
//
//	hansa-pod init COMMAND...  run COMMAND, pass signals on, reap orphans
//	hansa-pod pause            reap orphans until SIGTERM
//	hansa-pod serve            answer HTTP with who and where this is
//	hansa-pod wget URL         and nslookup NAME, nc HOST PORT: for the toolbox
package main

import (
	"fmt"
	"os"
	"path/filepath"
)

const usage = "usage: hansa-pod init COMMAND... | pause | serve | wget URL | nslookup NAME | nc HOST PORT"

func main() {
	verb, rest := filepath.Base(os.Args[0]), os.Args[1:]
	if verb == "hansa-pod" && len(rest) > 0 {
		verb, rest = rest[0], rest[1:]
	}
	var err error
	switch {
	case verb == "init" && len(rest) > 0:
		var status int
		if status, err = runInit(rest); err == nil {
			os.Exit(status)
		}
	case verb == "pause":
		pause()
	case verb == "serve":
		err = serve()
	case verb == "wget":
		err = wget(rest)
	case verb == "nslookup":
		err = nslookup(rest)
	case verb == "nc":
		err = netcat(rest)
	default:
		fmt.Fprintln(os.Stderr, usage)
		os.Exit(2)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "hansa-pod:", err)
		os.Exit(1)
	}
}
