// Package service is what the three programs have in common: they say their version, their health, and end politely.
package service

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"
)

// Version is set by the linker: -X gifinator/internal/service.Version=0.0.5.
var Version = "dev"

const (
	// VersionHeader names the program's version in every answer.
	VersionHeader = "X-Version"
	// RenderVersionHeader names the versions of the renderers that drew a frame or a GIF.
	RenderVersionHeader = "X-Render-Version"
)

const (
	readTimeout  = 10 * time.Second
	writeTimeout = 90 * time.Second // a GIF may take a while, and a long poll waits
	drainTimeout = 20 * time.Second
)

// Service is one running program.
type Service struct {
	Name string
	// Ready says whether the program can do its job; nil is always.
	Ready func(context.Context) error
	// Drain is how long the program goes on serving after it was told to end: by then no Service sends to it.
	Drain time.Duration

	draining atomic.Bool
}

// ParseFlags reads the command line; words that are no flags are a mistake in the manifest, so they are refused.
func ParseFlags() {
	flag.Parse()
	if flag.NArg() > 0 {
		fmt.Fprintf(flag.CommandLine.Output(), "%s takes flags only, got %q\n", os.Args[0], flag.Arg(0))
		flag.Usage()
		os.Exit(2)
	}
}

// Main runs a program, with its log as JSON from the first line, and ends the process with 1 when it fails. The context
// ends with SIGTERM or SIGINT.
func Main(name string, run func(context.Context) error) {
	slog.SetDefault(slog.New(slog.NewJSONHandler(os.Stdout, nil)).With("service", name, "version", Version))
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if err := run(ctx); err != nil {
		slog.Error("ended", "error", err)
		os.Exit(1)
	}
}

// Listen serves handler on address until ctx ends, then drains. The background work ends with ctx too, and is waited for.
func (s *Service) Listen(ctx context.Context, address string, handler http.Handler, background func(context.Context)) error {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("listen on %s: %w", address, err)
	}
	return s.Serve(ctx, listener, handler, background)
}

// Serve is Listen on a listener that is there.
func (s *Service) Serve(
	ctx context.Context, listener net.Listener, handler http.Handler, background func(context.Context),
) error {
	server := &http.Server{Handler: s.Handler(handler), ReadTimeout: readTimeout, WriteTimeout: writeTimeout}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	slog.Info("started", "address", listener.Addr().String())

	done := make(chan struct{})
	go func() {
		defer close(done)
		if background != nil {
			background(ctx)
		}
	}()

	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	return s.shutDown(server, done)
}

func (s *Service) shutDown(server *http.Server, background <-chan struct{}) error {
	s.draining.Store(true)
	slog.Info("draining", "seconds", s.Drain.Seconds())
	time.Sleep(s.Drain)
	ctx, cancel := context.WithTimeout(context.Background(), drainTimeout)
	defer cancel()
	err := server.Shutdown(ctx)
	select {
	case <-background:
	case <-ctx.Done():
		err = errors.Join(err, ctx.Err())
	}
	slog.Info("ended")
	return err
}

// Handler adds the version and the probes to a program's own handler.
func (s *Service) Handler(own http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /version", func(w http.ResponseWriter, _ *http.Request) {
		Answer(w, http.StatusOK, map[string]string{"service": s.Name, "version": Version})
	})
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", s.readyz)
	mux.Handle("/", own)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set(VersionHeader, Version)
		mux.ServeHTTP(w, r)
	})
}

func (s *Service) readyz(w http.ResponseWriter, r *http.Request) {
	if s.draining.Load() {
		http.Error(w, "draining", http.StatusServiceUnavailable)
		return
	}
	if s.Ready != nil {
		if err := s.Ready(r.Context()); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
	}
	fmt.Fprintln(w, "ok")
}

// Answer writes a value as JSON.
func Answer(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(value); err != nil {
		slog.Warn("answer", "error", err)
	}
}

// Env returns an environment variable, or the fallback where it is not set: the default of a flag.
func Env(name, fallback string) string {
	if value, ok := os.LookupEnv(name); ok {
		return value
	}
	return fallback
}
