// Command gifcreator takes jobs; with -worker it takes frames from the server and assembles them.
package main

import (
	"context"
	"flag"
	"log/slog"
	"net/http"
	"os"
	"time"

	"gifinator/internal/jobs"
	"gifinator/internal/service"
)

const (
	leaseTime = 10 * time.Second
	mostJobs  = 200
)

func main() {
	asWorker := flag.Bool("worker", false, "take frames from the server and assemble them")
	address := flag.String("listen", service.Env("LISTEN", ":8081"), "address to listen on")
	cache := flag.String("objcache", service.Env("OBJCACHE", "/tmp/objcache"), "folder for frames and GIFs")
	server := flag.String("gifcreator", service.Env("GIFCREATOR_ADDR", "127.0.0.1:8081"), "address of the server")
	render := flag.String("render", service.Env("RENDER_ADDR", "127.0.0.1:8082"), "address of render")
	parallel := flag.Int("parallel", 2, "tasks that a worker does at once")
	drain := flag.Duration("drain", 2*time.Second, "how long to go on serving after SIGTERM")
	flag.Parse()

	var err error
	if *asWorker {
		w := &worker{server: "http://" + *server, render: "http://" + *render}
		program := &service.Service{Name: "gifcreator-worker", Ready: w.ready, Drain: *drain}
		err = program.Run(*address, http.NotFoundHandler(), func(ctx context.Context) { w.run(ctx, *parallel) })
	} else {
		err = serve(*address, *cache, *drain)
	}
	if err != nil {
		slog.Error("ended", "error", err)
		os.Exit(1)
	}
}

func serve(address, cache string, drain time.Duration) error {
	store, err := jobs.NewStore(cache, leaseTime, mostJobs)
	if err != nil {
		return err
	}
	program := &service.Service{Name: "gifcreator-server", Drain: drain}
	return program.Run(address, handler(store), nil)
}
