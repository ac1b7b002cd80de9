package render

import (
	"image/png"
	"net/http/httptest"
	"strings"
	"testing"

	"gifinator/internal/scene"
)

func ask(t *testing.T, query string) *httptest.ResponseRecorder {
	t.Helper()
	drawn, err := scene.Load("../../scene/scene.json")
	if err != nil {
		t.Fatal(err)
	}
	recorder := httptest.NewRecorder()
	Handler(drawn).ServeHTTP(recorder, httptest.NewRequest("GET", "/frame?"+query, nil))
	return recorder
}

func TestAFrameIsAPNGOfTheScene(t *testing.T) {
	answer := ask(t, "text=hi&frame=23&frames=24")
	picture, err := png.Decode(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	size := picture.Bounds().Size()
	if kind := answer.Header().Get("Content-Type"); kind != "image/png" || size.X != 200 || size.Y != 200 {
		t.Errorf("got %s of %v", kind, size)
	}
}

func TestAFrameThatCannotBeIsRefused(t *testing.T) {
	for query, want := range map[string]string{
		"frame=24&frames=24":                  "frame must be a number below frames",
		"frame=-1&frames=24":                  "frame must be a number below frames",
		"frame=first&frames=24":               "frame must be a number below frames",
		"frame=0":                             "frames must be 2 to 60, got 0",
		"frame=0&frames=61":                   "frames must be 2 to 60, got 61",
		"text=123456789012345678901&frames=2": "text must have at most 20 characters, got 21",
	} {
		answer := ask(t, query)
		if got := strings.TrimSpace(answer.Body.String()); answer.Code != 400 || got != want {
			t.Errorf("%s: got %d %s", query, answer.Code, got)
		}
	}
}
