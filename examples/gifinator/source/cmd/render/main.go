// Command render draws one frame of a scene.
package main

import (
	"flag"
	"image/png"
	"log/slog"
	"net/http"
	"os"
	"strconv"
	"time"

	"gifinator/internal/jobs"
	"gifinator/internal/scene"
	"gifinator/internal/service"
)

func main() {
	address := flag.String("listen", service.Env("LISTEN", ":8082"), "address to listen on")
	path := flag.String("scene", service.Env("SCENE", "/tmp/scene/scene.json"), "the scene to draw")
	drain := flag.Duration("drain", 2*time.Second, "how long to go on serving after SIGTERM")
	flag.Parse()

	drawn, err := scene.Load(*path)
	if err != nil {
		slog.Error("cannot load the scene", "error", err)
		os.Exit(1)
	}
	program := &service.Service{Name: "render", Drain: *drain}
	if err := program.Run(*address, handler(drawn), nil); err != nil {
		slog.Error("ended", "error", err)
		os.Exit(1)
	}
}

func handler(drawn *scene.Scene) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /frame", func(w http.ResponseWriter, r *http.Request) {
		query := r.URL.Query()
		frames, _ := strconv.Atoi(query.Get("frames"))
		frame, err := strconv.Atoi(query.Get("frame"))
		spec := jobs.Spec{Text: query.Get("text"), Frames: frames}
		if wrong := spec.Check(); wrong != nil {
			http.Error(w, wrong.Error(), http.StatusBadRequest)
			return
		}
		if err != nil || frame < 0 || frame >= frames {
			http.Error(w, "frame must be a number below frames", http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "image/png")
		if err := png.Encode(w, drawn.Draw(service.Version, spec.Text, frame, frames)); err != nil {
			slog.Warn("the client went away", "error", err)
		}
	})
	return mux
}
