package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"
)

// The tools of the toolbox that ask for names: those of a static busybox need
// libraries that are not in the image.

// wget prints what a URL answers.
func wget(arguments []string) error {
	flags := flag.NewFlagSet("wget", flag.ContinueOnError)
	flags.Bool("q", false, "be quiet: always so")
	output := flags.String("O", "-", "file to write, - for the standard output")
	timeout := flags.Float64("T", 10, "seconds to wait")
	if err := flags.Parse(split(arguments)); err != nil {
		return err
	}
	if flags.NArg() != 1 {
		return errors.New("wget: want one URL")
	}
	url := flags.Arg(0)
	if !strings.Contains(url, "://") {
		url = "http://" + url
	}
	client := http.Client{Timeout: time.Duration(*timeout * float64(time.Second))}
	response, err := client.Get(url)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode >= 400 {
		return fmt.Errorf("wget: server returned %s", response.Status)
	}
	out := os.Stdout
	if *output != "-" {
		if out, err = os.Create(*output); err != nil {
			return err
		}
		defer out.Close()
	}
	_, err = io.Copy(out, response.Body)
	return err
}

// split takes "-qO-" apart, which is how everybody writes it.
func split(arguments []string) []string {
	var out []string
	for _, a := range arguments {
		if rest, ok := strings.CutPrefix(a, "-qO"); ok {
			out = append(out, "-q", "-O")
			if rest != "" {
				out = append(out, rest)
			}
			continue
		}
		out = append(out, a)
	}
	return out
}

// nslookup prints the addresses of a name.
func nslookup(arguments []string) error {
	if len(arguments) != 1 {
		return errors.New("nslookup: want one name")
	}
	addresses, err := net.LookupHost(arguments[0])
	if err != nil {
		return err
	}
	for _, a := range addresses {
		fmt.Printf("Name:\t%s\nAddress: %s\n", arguments[0], a)
	}
	return nil
}

// netcat connects the standard input and output with a server: nc [-z] HOST PORT.
func netcat(arguments []string) error {
	flags := flag.NewFlagSet("nc", flag.ContinueOnError)
	only := flags.Bool("z", false, "connect and do nothing")
	timeout := flags.Float64("w", 10, "seconds to wait for the connection")
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	if flags.NArg() != 2 {
		return errors.New("nc: want HOST PORT")
	}
	conn, err := net.DialTimeout("tcp", net.JoinHostPort(flags.Arg(0), flags.Arg(1)), time.Duration(*timeout*float64(time.Second)))
	if err != nil || *only {
		return err
	}
	defer conn.Close()
	go func() {
		_, _ = io.Copy(conn, os.Stdin)
		_ = conn.(*net.TCPConn).CloseWrite()
	}()
	_, err = io.Copy(os.Stdout, conn)
	return err
}
