package frontend_test

import (
	"context"
	"html/template"
	"image/gif"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"gifinator/internal/frontend"
	"gifinator/internal/gifcreator"
	"gifinator/internal/jobs"
	"gifinator/internal/render"
	"gifinator/internal/scene"
	"gifinator/internal/service"
)

func serve(t *testing.T, name string, handler http.Handler) string {
	t.Helper()
	server := httptest.NewServer((&service.Service{Name: name}).Handler(handler))
	t.Cleanup(server.Close)
	return server.URL
}

func TestAGIFGoesThroughAllFourServices(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	drawn, err := scene.Load("../../scene/scene.json")
	if err != nil {
		t.Fatal(err)
	}
	store, err := jobs.NewStore(t.TempDir(), time.Minute, 3)
	if err != nil {
		t.Fatal(err)
	}
	page := template.Must(template.ParseFiles("../../templates/index.html"))
	renderer := serve(t, "render", render.Handler(drawn))
	server := serve(t, "gifcreator-server", gifcreator.Handler(ctx, store))
	web := serve(t, "frontend", frontend.Handler(server, page))
	worker := &gifcreator.Worker{Server: server, Render: renderer}
	if err := worker.Ready(ctx); err != nil {
		t.Error(err)
	}
	go worker.Run(ctx, 2)

	answer, err := http.Get(web + "/gif?text=end+to+end&frames=6")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	film, err := gif.DecodeAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	version := answer.Header.Get(service.RenderVersionHeader)
	if kind := answer.Header.Get("Content-Type"); len(film.Image) != 6 || version != service.Version || kind != "image/gif" {
		t.Errorf("got %s of %d frames by %q", kind, len(film.Image), version)
	}
}
