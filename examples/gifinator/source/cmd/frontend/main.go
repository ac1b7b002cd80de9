// Command frontend is the web page that asks for a GIF and shows it.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"gifinator/internal/jobs"
	"gifinator/internal/service"
)

const (
	waitTime       = 60 * time.Second
	defaultFrames  = 24
	versionsHeader = "X-Render-Version"
)

type frontend struct {
	gifcreator string
	page       *template.Template
}

func main() {
	address := flag.String("listen", service.Env("LISTEN", ":8080"), "address to listen on")
	gifcreator := flag.String("gifcreator", service.Env("GIFCREATOR_ADDR", "127.0.0.1:8081"), "address of gifcreator")
	templates := flag.String("templates", service.Env("TEMPLATES", "/templates"), "folder of the page's template")
	drain := flag.Duration("drain", 2*time.Second, "how long to go on serving after SIGTERM")
	flag.Parse()

	page, err := template.ParseFiles(filepath.Join(*templates, "index.html"))
	if err != nil {
		slog.Error("cannot load the page", "error", err)
		os.Exit(1)
	}
	f := &frontend{"http://" + *gifcreator, page}
	program := &service.Service{Name: "frontend", Ready: f.ready, Drain: *drain}
	if err := program.Run(*address, f.handler(), nil); err != nil {
		slog.Error("ended", "error", err)
		os.Exit(1)
	}
}

func (f *frontend) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", f.index)
	mux.HandleFunc("GET /gif", f.gif)
	return mux
}

func (f *frontend) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	_, err := service.Call(ctx, http.MethodGet, f.gifcreator+"/healthz", nil, nil)
	return err
}

func (f *frontend) index(w http.ResponseWriter, r *http.Request) {
	text := r.URL.Query().Get("text")
	data := map[string]any{"Text": text, "Version": service.Version, "MaxText": jobs.MaxText, "Frames": defaultFrames}
	if err := f.page.Execute(w, data); err != nil {
		slog.Warn("the client went away", "error", err)
	}
}

// gif waits for a GIF and answers it, with the versions of the renderers that drew it in a header.
func (f *frontend) gif(w http.ResponseWriter, r *http.Request) {
	spec := jobs.Spec{Text: r.URL.Query().Get("text"), Frames: defaultFrames}
	if frames := r.URL.Query().Get("frames"); frames != "" {
		number, err := strconv.Atoi(frames)
		if err != nil {
			http.Error(w, "frames must be a number, got "+strconv.Quote(frames), http.StatusBadRequest)
			return
		}
		spec.Frames = number
	}
	if err := spec.Check(); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), waitTime)
	defer cancel()
	var gif service.Reply
	err := service.Retry(ctx, refused, func() (err error) {
		gif, err = f.create(ctx, spec)
		return err
	})
	if err != nil {
		slog.Error("no GIF", "error", err)
		http.Error(w, "gifcreator did not make a GIF: "+err.Error(), http.StatusBadGateway)
		return
	}
	w.Header().Set("Content-Type", "image/gif")
	w.Header().Set(versionsHeader, gif.Header.Get(versionsHeader))
	w.Write(gif.Body)
}

// create asks for a job, waits until it is finished, and fetches the GIF. A server that was restarted in between has
// forgotten the job: the caller asks again.
func (f *frontend) create(ctx context.Context, spec jobs.Spec) (service.Reply, error) {
	body, err := json.Marshal(spec)
	if err != nil {
		return service.Reply{}, err
	}
	reply, err := service.Call(ctx, http.MethodPost, f.gifcreator+"/jobs", body, nil)
	if err != nil {
		return reply, err
	}
	var state jobs.Progress
	if err := json.Unmarshal(reply.Body, &state); err != nil {
		return reply, err
	}
	job := fmt.Sprintf("%s/jobs/%s", f.gifcreator, state.ID)
	for !state.Finished {
		reply, err := service.Call(ctx, http.MethodGet, job, nil, nil)
		if err != nil {
			return reply, err
		}
		if err := json.Unmarshal(reply.Body, &state); err != nil {
			return reply, err
		}
	}
	return service.Call(ctx, http.MethodGet, job+"/gif", nil, nil)
}

// refused says whether the server will give the same answer again; a job that it does not know (404) is asked for anew.
func refused(err error) bool {
	var status service.StatusError
	return errors.As(err, &status) && status.Status == http.StatusBadRequest
}
