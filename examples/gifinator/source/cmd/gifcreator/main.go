// Command gifcreator takes jobs; with -worker it takes frames from the server and assembles them.
package main

import (
	"context"
	"flag"
	"net/http"
	"time"

	"gifinator/internal/gifcreator"
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
	service.ParseFlags()

	if *asWorker {
		service.Main("gifcreator-worker", func(ctx context.Context) error {
			w := &gifcreator.Worker{Server: "http://" + *server, Render: "http://" + *render}
			program := &service.Service{Name: "gifcreator-worker", Ready: w.Ready, Drain: *drain}
			work := func(ctx context.Context) { w.Run(ctx, *parallel) }
			return program.Listen(ctx, *address, http.NotFoundHandler(), work)
		})
		return
	}
	service.Main("gifcreator-server", func(ctx context.Context) error {
		store, err := jobs.NewStore(*cache, leaseTime, mostJobs)
		if err != nil {
			return err
		}
		program := &service.Service{Name: "gifcreator-server", Drain: *drain}
		return program.Listen(ctx, *address, gifcreator.Handler(ctx, store), nil)
	})
}
