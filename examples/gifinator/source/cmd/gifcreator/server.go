package main

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"strconv"
	"time"

	"gifinator/internal/jobs"
	"gifinator/internal/service"
)

// How long a worker or a client waits for news before it asks again.
const pollTime = 5 * time.Second

// versionsHeader names the versions of the renderers that drew a GIF.
const versionsHeader = "X-Render-Version"

func handler(store *jobs.Store) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /jobs", func(w http.ResponseWriter, r *http.Request) { addJob(store, w, r) })
	mux.HandleFunc("GET /jobs/{id}", func(w http.ResponseWriter, r *http.Request) { progress(store, w, r) })
	mux.HandleFunc("GET /jobs/{id}/gif", func(w http.ResponseWriter, r *http.Request) { sendGIF(store, w, r) })
	mux.HandleFunc("POST /lease", func(w http.ResponseWriter, r *http.Request) { lease(store, w, r) })
	mux.HandleFunc("GET /jobs/{id}/frames/{frame}", func(w http.ResponseWriter, r *http.Request) { sendFrame(store, w, r) })
	mux.HandleFunc("PUT /jobs/{id}/frames/{frame}", func(w http.ResponseWriter, r *http.Request) { finish(store, w, r) })
	return mux
}

func addJob(store *jobs.Store, w http.ResponseWriter, r *http.Request) {
	var spec jobs.Spec
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, service.BodyLimit)).Decode(&spec); err != nil {
		http.Error(w, "the job is not JSON: "+err.Error(), http.StatusBadRequest)
		return
	}
	if err := spec.Check(); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	id, err := store.Add(spec)
	if err != nil {
		refuse(w, err)
		return
	}
	service.Answer(w, http.StatusAccepted, map[string]string{"id": id})
}

// progress answers at once with a finished job, else when there is news, at the latest after pollTime.
func progress(store *jobs.Store, w http.ResponseWriter, r *http.Request) {
	deadline := time.After(pollTime)
	for {
		state, news, err := store.Progress(r.PathValue("id"))
		if err != nil {
			refuse(w, err)
			return
		}
		if state.Finished {
			service.Answer(w, http.StatusOK, state)
			return
		}
		select {
		case <-news:
		case <-deadline:
			service.Answer(w, http.StatusOK, state)
			return
		case <-r.Context().Done():
			return
		}
	}
}

func lease(store *jobs.Store, w http.ResponseWriter, r *http.Request) {
	deadline := time.After(pollTime)
	for {
		task, news := store.Lease()
		if task != nil {
			service.Answer(w, http.StatusOK, task)
			return
		}
		select {
		case <-news:
		case <-deadline:
			w.WriteHeader(http.StatusNoContent)
			return
		case <-r.Context().Done():
			return
		}
	}
}

func finish(store *jobs.Store, w http.ResponseWriter, r *http.Request) {
	number, ok := frameNumber(w, r)
	if !ok {
		return
	}
	content, err := io.ReadAll(http.MaxBytesReader(w, r.Body, service.BodyLimit))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if err := store.Finish(r.PathValue("id"), number, content, r.Header.Get(versionsHeader)); err != nil {
		refuse(w, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func sendFrame(store *jobs.Store, w http.ResponseWriter, r *http.Request) {
	if number, ok := frameNumber(w, r); ok {
		send(store, w, r.PathValue("id"), number, "image/png")
	}
}

func sendGIF(store *jobs.Store, w http.ResponseWriter, r *http.Request) {
	state, _, err := store.Progress(r.PathValue("id"))
	if err != nil {
		refuse(w, err)
		return
	}
	w.Header().Set(versionsHeader, state.Versions)
	send(store, w, state.ID, jobs.Assemble, "image/gif")
}

func send(store *jobs.Store, w http.ResponseWriter, id string, number int, kind string) {
	content, err := store.Read(id, number)
	if err != nil {
		refuse(w, err)
		return
	}
	w.Header().Set("Content-Type", kind)
	w.Write(content)
}

// frameNumber reads the frame of the path; "gif" stands for the assembled GIF.
func frameNumber(w http.ResponseWriter, r *http.Request) (int, bool) {
	text := r.PathValue("frame")
	if text == "gif" {
		return jobs.Assemble, true
	}
	number, err := strconv.Atoi(text)
	if err != nil || number < 0 {
		http.Error(w, "frame must be a number or gif, got "+strconv.Quote(text), http.StatusBadRequest)
		return 0, false
	}
	return number, true
}

func refuse(w http.ResponseWriter, err error) {
	status := http.StatusInternalServerError
	if errors.Is(err, jobs.ErrNoJob) || errors.Is(err, os.ErrNotExist) {
		status = http.StatusNotFound
	}
	http.Error(w, err.Error(), status)
}
