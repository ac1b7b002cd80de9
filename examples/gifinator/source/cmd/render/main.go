// Command render draws one frame of a scene.
package main

import (
	"context"
	"flag"
	"time"

	"gifinator/internal/render"
	"gifinator/internal/scene"
	"gifinator/internal/service"
)

func main() {
	address := flag.String("listen", service.Env("LISTEN", ":8082"), "address to listen on")
	path := flag.String("scene", service.Env("SCENE", "/tmp/scene/scene.json"), "the scene to draw")
	drain := flag.Duration("drain", 2*time.Second, "how long to go on serving after SIGTERM")
	service.ParseFlags()

	service.Main("render", func(ctx context.Context) error {
		drawn, err := scene.Load(*path)
		if err != nil {
			return err
		}
		program := &service.Service{Name: "render", Drain: *drain}
		return program.Listen(ctx, *address, render.Handler(drawn), nil)
	})
}
