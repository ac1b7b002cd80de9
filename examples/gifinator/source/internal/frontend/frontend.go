// Package frontend is the web page, and what it asks for: a GIF in one request, or a job and how far it is.
package frontend

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"gifinator/internal/jobs"
	"gifinator/internal/service"
)

const (
	waitTime      = 60 * time.Second
	resubmitPause = 200 * time.Millisecond
	defaultFrames = 24
	bodyLimit     = 4 << 10
)

type frontend struct {
	gifcreator string
	page       *template.Template
}

// Handler serves the page, and makes GIFs with the gifcreator at that URL.
func Handler(gifcreator string, page *template.Template) http.Handler {
	f := &frontend{gifcreator, page}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", f.index)
	mux.HandleFunc("GET /gif", f.gif)
	mux.HandleFunc("POST /jobs", f.relay(0))
	mux.HandleFunc("GET /jobs/{id}", f.relay(jobs.PollLimit))
	mux.HandleFunc("GET /jobs/{id}/gif", f.relay(0))
	return mux
}

func (f *frontend) index(w http.ResponseWriter, r *http.Request) {
	text := r.URL.Query().Get("text")
	data := map[string]any{"Text": text, "Version": service.Version, "MaxText": jobs.MaxText, "Frames": defaultFrames}
	if err := f.page.Execute(w, data); err != nil {
		slog.Warn("the client went away", "error", err)
	}
}

// relay passes a request of the page on to gifcreator, and waits while that is being restarted.
func (f *frontend) relay(limit time.Duration) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, bodyLimit))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), waitTime)
		defer cancel()
		url := f.gifcreator + r.URL.RequestURI()
		reply, err := service.Retry(ctx, service.Request{Method: r.Method, URL: url, Body: body, Limit: limit})
		var status service.StatusError
		switch {
		case err == nil:
			answer(w, reply)
		case service.Refused(err) && errors.As(err, &status):
			http.Error(w, status.Message, status.Status)
		default:
			fail(w, err)
		}
	}
}

func answer(w http.ResponseWriter, reply service.Reply) {
	for _, name := range []string{"Content-Type", service.RenderVersionHeader} {
		if value := reply.Header.Get(name); value != "" {
			w.Header().Set(name, value)
		}
	}
	w.WriteHeader(reply.Status)
	w.Write(reply.Body)
}

func fail(w http.ResponseWriter, err error) {
	slog.Error("no GIF", "error", err)
	http.Error(w, "gifcreator did not make a GIF: "+err.Error(), http.StatusBadGateway)
}

// gif waits for a GIF and answers it, with the versions of the renderers that drew it in a header.
func (f *frontend) gif(w http.ResponseWriter, r *http.Request) {
	spec, err := readSpec(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), waitTime)
	defer cancel()
	reply, err := f.create(ctx, spec)
	if err != nil {
		fail(w, err)
		return
	}
	answer(w, reply)
}

func readSpec(r *http.Request) (jobs.Spec, error) {
	spec := jobs.Spec{Text: r.URL.Query().Get("text"), Frames: defaultFrames}
	if frames := r.URL.Query().Get("frames"); frames != "" {
		number, err := strconv.Atoi(frames)
		if err != nil {
			return spec, fmt.Errorf("frames must be a number, got %q", frames)
		}
		spec.Frames = number
	}
	return spec, spec.Check()
}

// create submits a job and waits for its GIF. A server that was restarted in between has forgotten the job (404): it is
// submitted again.
func (f *frontend) create(ctx context.Context, spec jobs.Spec) (service.Reply, error) {
	for {
		job, err := f.submit(ctx, spec)
		if err != nil {
			return service.Reply{}, err
		}
		reply, err := await(ctx, job)
		if !service.Missing(err) {
			return reply, err
		}
		select {
		case <-ctx.Done():
			return reply, ctx.Err()
		case <-time.After(resubmitPause):
		}
	}
}

// submit returns the URL of a new job.
func (f *frontend) submit(ctx context.Context, spec jobs.Spec) (string, error) {
	body, err := json.Marshal(spec)
	if err != nil {
		return "", err
	}
	reply, err := service.Retry(ctx, service.Request{Method: http.MethodPost, URL: f.gifcreator + "/jobs", Body: body})
	if err != nil {
		return "", err
	}
	var state jobs.Progress
	err = json.Unmarshal(reply.Body, &state)
	return fmt.Sprintf("%s/jobs/%s", f.gifcreator, state.ID), err
}

func await(ctx context.Context, job string) (service.Reply, error) {
	for {
		reply, err := service.Retry(ctx, service.Request{Method: http.MethodGet, URL: job, Limit: jobs.PollLimit})
		if err != nil {
			return reply, err
		}
		var state jobs.Progress
		switch err := json.Unmarshal(reply.Body, &state); {
		case err != nil:
			return reply, err
		case state.Failed != "":
			return reply, errors.New(state.Failed)
		case state.Finished:
			return service.Retry(ctx, service.Request{Method: http.MethodGet, URL: job + "/gif"})
		}
	}
}
