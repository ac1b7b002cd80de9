package main

import (
	"bytes"
	"context"
	"image"
	"image/color"
	"image/gif"
	"image/png"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"gifinator/internal/jobs"
	"gifinator/internal/service"
)

func start(t *testing.T, lease time.Duration) (*jobs.Store, *httptest.Server) {
	t.Helper()
	store, err := jobs.NewStore(t.TempDir(), lease, 3)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(handler(store))
	t.Cleanup(server.Close)
	return store, server
}

func renderer(t *testing.T, refusals int) *httptest.Server {
	t.Helper()
	picture := image.NewPaletted(image.Rect(0, 0, 8, 8), color.Palette{color.Black, color.White})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if refusals > 0 {
			refusals--
			http.Error(w, "draining", http.StatusServiceUnavailable)
			return
		}
		w.Header().Set(service.VersionHeader, "1.2.3")
		if err := png.Encode(w, picture); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(server.Close)
	return server
}

// finish runs workers until the job is finished.
func finishJob(t *testing.T, store *jobs.Store, server, render, id string) jobs.Progress {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	go (&worker{server: server, render: render}).run(ctx, 2)
	for {
		state, news, err := store.Progress(id)
		if err != nil {
			t.Fatal(err)
		}
		if state.Finished {
			return state
		}
		select {
		case <-news:
		case <-ctx.Done():
			t.Fatalf("not finished: %+v", state)
		}
	}
}

func TestAJobBecomesAGIF(t *testing.T) {
	store, server := start(t, time.Minute)
	id, err := store.Add(jobs.Spec{Text: "hi", Frames: 5})
	if err != nil {
		t.Fatal(err)
	}
	// The renderer is being rolled: its first answers are refusals.
	state := finishJob(t, store, server.URL, renderer(t, 2).URL, id)

	reply, err := service.Call(context.Background(), http.MethodGet, server.URL+"/jobs/"+id+"/gif", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	film, err := gif.DecodeAll(bytes.NewReader(reply.Body))
	if err != nil {
		t.Fatal(err)
	}
	if len(film.Image) != 5 || state.Versions != "1.2.3" || reply.Header.Get(versionsHeader) != "1.2.3" {
		t.Errorf("got %d frames by %q, header %q", len(film.Image), state.Versions, reply.Header.Get(versionsHeader))
	}
}

func TestTheTaskOfADeadWorkerIsGivenToAnother(t *testing.T) {
	store, server := start(t, 20*time.Millisecond)
	id, err := store.Add(jobs.Spec{Frames: 2})
	if err != nil {
		t.Fatal(err)
	}
	if task, _ := store.Lease(); task == nil || task.Frame != 0 { // leased, and never done
		t.Fatalf("got %+v", task)
	}
	time.Sleep(30 * time.Millisecond)
	finishJob(t, store, server.URL, renderer(t, 0).URL, id)
}

func TestATaskIsLeasedOnce(t *testing.T) {
	store, _ := start(t, time.Minute)
	if _, err := store.Add(jobs.Spec{Frames: 2}); err != nil {
		t.Fatal(err)
	}
	first, _ := store.Lease()
	second, _ := store.Lease()
	third, _ := store.Lease()
	if first.Frame != 0 || second.Frame != 1 || third != nil {
		t.Errorf("got %+v, %+v, %+v", first, second, third)
	}
}

func TestTheOldestJobsAreForgotten(t *testing.T) {
	store, server := start(t, time.Minute)
	first, _ := store.Add(jobs.Spec{Frames: 2})
	for range 3 {
		if _, err := store.Add(jobs.Spec{Frames: 2}); err != nil {
			t.Fatal(err)
		}
	}
	_, err := service.Call(context.Background(), http.MethodGet, server.URL+"/jobs/"+first, nil, nil)
	if err == nil || !strings.Contains(err.Error(), "404: there is no such job") {
		t.Errorf("got %v", err)
	}
}

func TestBadInputIsRefusedInOneLine(t *testing.T) {
	_, server := start(t, time.Minute)
	for body, want := range map[string]string{
		`{"text": "hi", "frames": 1}`:                    "frames must be 2 to 60, got 1",
		`{"text": "123456789012345678901", "frames": 2}`: "text must have at most 20 characters, got 21",
		`{"text": `: "the job is not JSON: unexpected EOF",
	} {
		_, err := service.Call(context.Background(), http.MethodPost, server.URL+"/jobs", []byte(body), nil)
		if err == nil || err.Error() != "400: "+want {
			t.Errorf("%s: got %v, want %s", body, err, want)
		}
	}
}
