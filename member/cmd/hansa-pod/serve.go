package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// serve answers every request on $PORT, or 8080, with the text in $GREETING and
// with what the pod was told of where it is, until SIGTERM.
func serve() error {
	port := os.Getenv("PORT")
	if port == "" {
		port = "8080"
	}
	host, err := os.Hostname()
	if err != nil {
		return fmt.Errorf("ask for the name of the pod: %w", err)
	}
	answer := fmt.Sprintf("pod=%s node=%s", host, os.Getenv("NODE"))
	if greeting := os.Getenv("greeting"); greeting != "" {
		answer = greeting + " " + answer
	}
	server := &http.Server{
		Addr:              ":" + port,
		ReadHeaderTimeout: 5 * time.Second,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprintln(w, answer)
		}),
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	context.AfterFunc(ctx, func() { _ = server.Shutdown(context.Background()) })
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve on port %s: %w", port, err)
	}
	return nil
}
