package frontend

import (
	"fmt"
	"html/template"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"gifinator/internal/service"
)

// start serves the page with a gifcreator that gives these answers, each with its status, in turn.
func start(t *testing.T, answers ...string) (url string, asked *[]string) {
	t.Helper()
	asked = new([]string)
	gifcreator := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		*asked = append(*asked, strings.TrimSpace(fmt.Sprintf("%s %s %s", r.Method, r.URL.RequestURI(), body)))
		if len(*asked) > len(answers) {
			t.Errorf("nobody expected %v", *asked)
			return
		}
		status := http.StatusOK
		text := answers[len(*asked)-1]
		if number, rest, ok := strings.Cut(text, ": "); ok && len(number) == 3 {
			fmt.Sscan(number, &status)
			text = rest
		}
		w.Header().Set(service.RenderVersionHeader, "1.2.3")
		w.WriteHeader(status)
		fmt.Fprint(w, text)
	}))
	t.Cleanup(gifcreator.Close)
	page := template.Must(template.ParseFiles("../../templates/index.html"))
	server := httptest.NewServer(Handler(gifcreator.URL, page))
	t.Cleanup(server.Close)
	return server.URL, asked
}

func request(t *testing.T, method, url, body string) (status int, header http.Header, text string) {
	t.Helper()
	asked, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(asked)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	content, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, answer.Header, strings.TrimSpace(string(content))
}

const (
	submit = `POST /jobs {"text":"hi","frames":24}`
	begun  = `{"id": "j1", "done": 3, "frames": 24}`
	ended  = `{"id": "j1", "finished": true}`
)

func TestThePageQuotesTheText(t *testing.T) {
	url, _ := start(t)
	status, _, page := request(t, http.MethodGet, url+"/?text=%22%3C/script%3E", "")
	if status != 200 || strings.Count(page, "</script>") != 1 || !strings.Contains(page, `text: "\"\u003c/script\u003e"`) {
		t.Errorf("got %d %s", status, page)
	}
}

func TestAGIFIsMadeInOneRequest(t *testing.T) {
	url, asked := start(t, begun, begun, ended, "GIF89a")
	status, header, body := request(t, http.MethodGet, url+"/gif?text=hi", "")
	if version := header.Get(service.RenderVersionHeader); status != 200 || body != "GIF89a" || version != "1.2.3" {
		t.Errorf("got %d %s by %s", status, body, version)
	}
	want := submit + ", GET /jobs/j1, GET /jobs/j1, GET /jobs/j1/gif"
	if got := strings.Join(*asked, ", "); got != want {
		t.Errorf("got %s", got)
	}
}

func TestAPollThatFailsIsRepeatedAndOnlyALostJobIsSubmittedAgain(t *testing.T) {
	url, asked := start(t, begun, "503: draining", "404: there is no such job", begun, ended, "GIF89a")
	status, _, body := request(t, http.MethodGet, url+"/gif?text=hi", "")
	want := submit + ", GET /jobs/j1, GET /jobs/j1, " + submit + ", GET /jobs/j1, GET /jobs/j1/gif"
	if got := strings.Join(*asked, ", "); status != 200 || body != "GIF89a" || got != want {
		t.Errorf("got %d %s, asked %s", status, body, got)
	}
}

func TestAJobThatFailedIsABadGatewayWithTheReason(t *testing.T) {
	url, asked := start(t, begun, `{"id": "j1", "failed": "frame 3 was tried 5 times"}`)
	status, _, body := request(t, http.MethodGet, url+"/gif?text=hi", "")
	if want := "gifcreator did not make a GIF: frame 3 was tried 5 times"; status != 502 || body != want || len(*asked) != 2 {
		t.Errorf("got %d %s, asked %v", status, body, *asked)
	}
}

func TestABadRequestIsRefusedBeforeAnybodyIsAsked(t *testing.T) {
	url, _ := start(t)
	for query, want := range map[string]string{
		"frames=many":                "frames must be a number, got \"many\"",
		"frames=61":                  "frames must be 2 to 60, got 61",
		"text=123456789012345678901": "text must have at most 20 characters, got 21",
	} {
		if status, _, body := request(t, http.MethodGet, url+"/gif?"+query, ""); status != 400 || body != want {
			t.Errorf("%s: got %d %s", query, status, body)
		}
	}
	if status, _, _ := request(t, http.MethodPost, url+"/jobs", strings.Repeat("x", bodyLimit+1)); status != 400 {
		t.Errorf("a long body: got %d", status)
	}
}

func TestThePageReachesItsJob(t *testing.T) {
	url, asked := start(t, "202: "+begun, begun, "404: there is no such job", "400: frames must be 2 to 60, got 1")
	for _, c := range []struct {
		method, path, body string
		status             int
		answer             string
	}{
		{http.MethodPost, "/jobs", "{}", 202, begun},
		{http.MethodGet, "/jobs/j1?done=2", "", 200, begun},
		{http.MethodGet, "/jobs/j1/gif", "", 404, "there is no such job"},
		{http.MethodPost, "/jobs", "{}", 400, "frames must be 2 to 60, got 1"},
	} {
		status, _, body := request(t, c.method, url+c.path, c.body)
		if status != c.status || body != c.answer {
			t.Errorf("%s %s: got %d %s", c.method, c.path, status, body)
		}
	}
	if got := (*asked)[1]; got != "GET /jobs/j1?done=2" {
		t.Errorf("got %s", got)
	}
}
