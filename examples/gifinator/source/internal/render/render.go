// Package render answers frames of a scene as PNG.
package render

import (
	"image/png"
	"log/slog"
	"net/http"
	"strconv"

	"gifinator/internal/jobs"
	"gifinator/internal/scene"
	"gifinator/internal/service"
)

// Handler draws GET /frame?text=…&frame=…&frames=….
func Handler(drawn *scene.Scene) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /frame", func(w http.ResponseWriter, r *http.Request) {
		query := r.URL.Query()
		frames, _ := strconv.Atoi(query.Get("frames")) // what is no number is 0, which Check refuses
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
