package gifcreator

import (
	"bytes"
	"context"
	"errors"
	"image"
	"image/color"
	"image/gif"
	"image/png"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"gifinator/internal/jobs"
	"gifinator/internal/service"
)

func start(t *testing.T) (*jobs.Store, *httptest.Server) {
	t.Helper()
	store, err := jobs.NewStore(t.TempDir(), time.Minute, 3)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(Handler(context.Background(), store))
	t.Cleanup(server.Close)
	return store, server
}

func call(method, url, body string) (service.Reply, error) {
	return service.Call(context.Background(), service.Request{Method: method, URL: url, Body: []byte(body)})
}

// wants fails the test unless err is this answer of the server.
func wants(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("got %v, want %s", err, want)
	}
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

func TestAJobBecomesAGIFWhileTheRendererIsRolled(t *testing.T) {
	store, server := start(t)
	id, err := store.Add(jobs.Spec{Text: "hi", Frames: 5})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go (&Worker{Server: server.URL, Render: renderer(t, 2).URL}).Run(ctx, 2)

	reply, err := service.Call(ctx, service.Request{URL: server.URL + "/jobs/" + id, Limit: jobs.PollLimit})
	if err != nil || !strings.Contains(string(reply.Body), `"finished":true`) {
		t.Fatalf("got %s, %v", reply.Body, err)
	}
	reply, err = call(http.MethodGet, server.URL+"/jobs/"+id+"/gif", "")
	if err != nil {
		t.Fatal(err)
	}
	film, err := gif.DecodeAll(bytes.NewReader(reply.Body))
	if err != nil {
		t.Fatal(err)
	}
	if version := reply.Header.Get(service.RenderVersionHeader); len(film.Image) != 5 || version != "1.2.3" {
		t.Errorf("got %d frames by %q", len(film.Image), version)
	}
}

func TestAJobThatRenderRefusesFailsWithinSeconds(t *testing.T) {
	store, server := start(t) // a lease lasts a minute
	id, _ := store.Add(jobs.Spec{Text: "hi", Frames: 2})
	render := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "no such scene", http.StatusBadRequest)
	}))
	defer render.Close()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go (&Worker{Server: server.URL, Render: render.URL}).Run(ctx, 1)

	for began := time.Now(); ; {
		state, news, err := store.Progress(id)
		if err != nil || time.Since(began) > 15*time.Second {
			t.Fatalf("got %+v, %v", state, err)
		}
		if state.Failed != "" {
			if want := "frame 0 was tried 5 times: render: 400: no such scene"; state.Failed != want {
				t.Errorf("got %q", state.Failed)
			}
			return
		}
		select {
		case <-news:
		case <-time.After(time.Second):
		}
	}
}

func TestAGiveBackThatDoesNotFitIsRefused(t *testing.T) {
	store, server := start(t)
	id, _ := store.Add(jobs.Spec{Frames: 2})
	for path, want := range map[string]string{
		id + "/frames/0/lease":                    "400: try must be a number",
		id + "/frames/2/lease?try=1":              "400: there is no such frame",
		"0123456789abcdef/frames/gif/lease?try=1": "404: there is no such job",
	} {
		_, err := call(http.MethodDelete, server.URL+"/jobs/"+path, "")
		wants(t, err, want)
	}
}

func TestOneWhoKnowsHowManyFramesAreDoneIsToldOfTheNext(t *testing.T) {
	store, server := start(t)
	id, _ := store.Add(jobs.Spec{Frames: 2})
	if err := store.Finish(id, 0, nil, "1"); err != nil {
		t.Fatal(err)
	}
	reply, err := call(http.MethodGet, server.URL+"/jobs/"+id+"?done=0", "")
	if err != nil || !strings.Contains(string(reply.Body), `"done":1`) {
		t.Errorf("got %s, %v", reply.Body, err)
	}
}

func TestAnUnknownJobIsNotFound(t *testing.T) {
	_, server := start(t)
	_, err := call(http.MethodGet, server.URL+"/jobs/0123456789abcdef", "")
	wants(t, err, "404: there is no such job")
}

func TestABadJobIsRefusedInOneLine(t *testing.T) {
	_, server := start(t)
	for body, want := range map[string]string{
		`{"text": "hi", "frames": 1}`:                    "400: frames must be 2 to 60, got 1",
		`{"text": "äöüäöüäöüäöüäöüäöüäöü", "frames": 2}`: "400: text must have at most 20 characters, got 21",
		`{"text": `: "400: a job is JSON of at most 4096 bytes: unexpected EOF",
		`{"text": "` + strings.Repeat("x", 4096) + `"}`: "400: a job is JSON of at most 4096 bytes: http: request body too large",
	} {
		_, err := call(http.MethodPost, server.URL+"/jobs", body)
		wants(t, err, want)
	}
	if _, err := call(http.MethodPost, server.URL+"/jobs", `{"text": "äöüäöüäöüäöüäöüäöüäö", "frames": 2}`); err != nil {
		t.Errorf("20 characters: %v", err)
	}
}

func TestAResultThatDoesNotFitIsRefused(t *testing.T) {
	store, server := start(t)
	id, _ := store.Add(jobs.Spec{Frames: 2})
	var picture, film bytes.Buffer
	pixel := image.NewPaletted(image.Rect(0, 0, 1, 1), color.Palette{color.Black})
	if err := errors.Join(png.Encode(&picture, pixel), gif.Encode(&film, pixel, nil)); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ frame, body, want string }{
		{"gif", film.String(), "409: frames are missing"},
		{"gif", picture.String(), "400: the content is no GIF"},
		{"0", film.String(), "400: the content is no PNG"},
		{"0", picture.String()[:picture.Len()/2], "400: the content is no PNG"},
		{"2", picture.String(), "400: there is no such frame: it must be 0 to 1, got 2"},
		{"-1", picture.String(), "400: frame must be a number or gif"},
	} {
		_, err := call(http.MethodPut, server.URL+"/jobs/"+id+"/frames/"+c.frame, c.body)
		wants(t, err, c.want)
	}
	_, err := call(http.MethodGet, server.URL+"/jobs/"+id+"/gif", "")
	wants(t, err, "409: that is not there yet")
}

func TestUnderLoadTheServerEndsRightAfterItsDrain(t *testing.T) {
	store, err := jobs.NewStore(t.TempDir(), time.Minute, 3)
	if err != nil {
		t.Fatal(err)
	}
	id, _ := store.Add(jobs.Spec{Frames: 2})
	store.Lease()
	store.Lease() // nothing is left to lease, so that every poll waits
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	program := &service.Service{Name: "gifcreator-server", Drain: 50 * time.Millisecond}
	go func() { ended <- program.Serve(ctx, listener, Handler(ctx, store), nil) }()

	answers := make(chan error, 6)
	server := "http://" + listener.Addr().String()
	for range 3 {
		go func() { _, err := call(http.MethodPost, server+"/lease", ""); answers <- err }()
		go func() { _, err := call(http.MethodGet, server+"/jobs/"+id, ""); answers <- err }()
	}
	time.Sleep(200 * time.Millisecond)
	cancel()
	for range cap(answers) {
		wants(t, <-answers, "503: draining")
	}
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(time.Second):
		t.Error("it still runs")
	}
}

func TestAWorkerWaitsForAServerThatIsNotThere(t *testing.T) {
	refusals := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		refusals++
		http.Error(w, "draining", http.StatusServiceUnavailable)
	}))
	defer server.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer cancel()
	(&Worker{Server: server.URL}).Run(ctx, 1)
	if refusals < 2 || refusals > 5 { // after 0, 20, 60, 140 and 300 ms
		t.Errorf("it asked %d times", refusals)
	}
}
