// Command frontend is the web page that asks for a GIF and shows it.
package main

import (
	"context"
	"flag"
	"html/template"
	"path/filepath"
	"time"

	"gifinator/internal/frontend"
	"gifinator/internal/service"
)

func main() {
	address := flag.String("listen", service.Env("LISTEN", ":8080"), "address to listen on")
	gifcreator := flag.String("gifcreator", service.Env("GIFCREATOR_ADDR", "127.0.0.1:8081"), "address of gifcreator")
	templates := flag.String("templates", service.Env("FRONTEND_TEMPLATES_DIR", "/templates"), "directory of the page template")
	drain := flag.Duration("drain", 2*time.Second, "how long to go on serving after SIGTERM")
	service.ParseFlags()

	service.Main("frontend", func(ctx context.Context) error {
		page, err := template.ParseFiles(filepath.Join(*templates, "index.html"))
		if err != nil {
			return err
		}
		// Ready without gifcreator: requests wait while it restarts, which a Service without endpoints could not.
		program := &service.Service{Name: "frontend", Drain: *drain}
		return program.Listen(ctx, *address, frontend.Handler("http://"+*gifcreator, page), nil)
	})
}
