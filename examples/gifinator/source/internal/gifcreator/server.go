// Package gifcreator is the server that takes jobs, and the worker that does their tasks.
package gifcreator

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image/gif"
	"image/png"
	"io"
	"net/http"
	"strconv"
	"time"

	"gifinator/internal/jobs"
	"gifinator/internal/service"
)

const jobLimit = 4 << 10

// server answers clients and workers. Its polls end with draining: those who wait go to the next pod at once.
type server struct {
	store    *jobs.Store
	draining context.Context
}

// Handler is the API of the jobs in store; it stops waiting, and hands out no more tasks, when draining ends.
func Handler(draining context.Context, store *jobs.Store) http.Handler {
	s := &server{store, draining}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /jobs", s.add)
	mux.HandleFunc("GET /jobs/{id}", s.progress)
	mux.HandleFunc("GET /jobs/{id}/gif", s.sendGIF)
	mux.HandleFunc("POST /lease", s.lease)
	mux.HandleFunc("GET /jobs/{id}/frames/{frame}", s.sendFrame)
	mux.HandleFunc("PUT /jobs/{id}/frames/{frame}", s.finish)
	mux.HandleFunc("DELETE /jobs/{id}/frames/{frame}/lease", s.giveBack)
	return mux
}

func (s *server) add(w http.ResponseWriter, r *http.Request) {
	var spec jobs.Spec
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, jobLimit)).Decode(&spec); err != nil {
		http.Error(w, fmt.Sprintf("a job is JSON of at most %d bytes: %s", jobLimit, err), http.StatusBadRequest)
		return
	}
	if err := spec.Check(); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	id, err := s.store.Add(spec)
	if err != nil {
		refuse(w, err)
		return
	}
	service.Answer(w, http.StatusAccepted, map[string]string{"id": id})
}

// progress answers at once with a job that ended, else when it ends, at the latest after the poll time. With ?done=N it
// answers also when another number of tasks is done.
func (s *server) progress(w http.ResponseWriter, r *http.Request) {
	known := r.URL.Query().Get("done")
	deadline := time.After(jobs.PollTime)
	for {
		state, news, err := s.store.Progress(r.PathValue("id"))
		if err != nil {
			refuse(w, err)
			return
		}
		if state.Finished || state.Failed != "" || (known != "" && known != strconv.Itoa(state.Done)) {
			service.Answer(w, http.StatusOK, state)
			return
		}
		select {
		case <-news:
		case <-deadline:
			service.Answer(w, http.StatusOK, state)
			return
		case <-s.draining.Done():
			http.Error(w, "draining", http.StatusServiceUnavailable)
			return
		case <-r.Context().Done():
			return
		}
	}
}

func (s *server) lease(w http.ResponseWriter, r *http.Request) {
	deadline := time.After(jobs.PollTime)
	for s.draining.Err() == nil && r.Context().Err() == nil { // a task for nobody would wait until its lease runs out
		task, news := s.store.Lease()
		if task != nil {
			service.Answer(w, http.StatusOK, task)
			return
		}
		select {
		case <-news:
		case <-deadline:
			w.WriteHeader(http.StatusNoContent)
			return
		case <-s.draining.Done():
		case <-r.Context().Done():
		}
	}
	http.Error(w, "draining", http.StatusServiceUnavailable)
}

func (s *server) finish(w http.ResponseWriter, r *http.Request) {
	number, ok := frameNumber(w, r)
	if !ok {
		return
	}
	content, err := io.ReadAll(http.MaxBytesReader(w, r.Body, service.BodyLimit))
	if err == nil {
		err = check(number, content)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if err := s.store.Finish(r.PathValue("id"), number, content, r.Header.Get(service.RenderVersionHeader)); err != nil {
		refuse(w, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// giveBack ends a lease: ?try= is that of the task, and the body is the reason.
func (s *server) giveBack(w http.ResponseWriter, r *http.Request) {
	number, ok := frameNumber(w, r)
	if !ok {
		return
	}
	try, err := strconv.Atoi(r.URL.Query().Get("try"))
	if err != nil {
		http.Error(w, "try must be a number", http.StatusBadRequest)
		return
	}
	reason, err := io.ReadAll(http.MaxBytesReader(w, r.Body, jobLimit))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if err := s.store.GiveBack(jobs.Task{Job: r.PathValue("id"), Frame: number, Try: try}, string(reason)); err != nil {
		refuse(w, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// check reads the whole picture: half of one would be found out only when there is no worker to draw it again.
func check(number int, content []byte) error {
	if number == jobs.Assemble {
		if _, err := gif.DecodeAll(bytes.NewReader(content)); err != nil {
			return fmt.Errorf("the content is no GIF: %w", err)
		}
		return nil
	}
	if _, err := png.Decode(bytes.NewReader(content)); err != nil {
		return fmt.Errorf("the content is no PNG: %w", err)
	}
	return nil
}

func (s *server) sendFrame(w http.ResponseWriter, r *http.Request) {
	if number, ok := frameNumber(w, r); ok {
		s.send(w, r.PathValue("id"), number, "image/png")
	}
}

func (s *server) sendGIF(w http.ResponseWriter, r *http.Request) {
	state, _, err := s.store.Progress(r.PathValue("id"))
	if err != nil {
		refuse(w, err)
		return
	}
	w.Header().Set(service.RenderVersionHeader, state.Versions)
	s.send(w, state.ID, jobs.Assemble, "image/gif")
}

func (s *server) send(w http.ResponseWriter, id string, number int, kind string) {
	content, err := s.store.Read(id, number)
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
	switch {
	case errors.Is(err, jobs.ErrNoJob):
		status = http.StatusNotFound
	case errors.Is(err, jobs.ErrNoFrame):
		status = http.StatusBadRequest
	case errors.Is(err, jobs.ErrTooSoon):
		status = http.StatusConflict
	}
	http.Error(w, err.Error(), status)
}
