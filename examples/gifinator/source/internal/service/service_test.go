package service

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func get(url string) (Reply, error) {
	return Call(context.Background(), Request{Method: http.MethodGet, URL: url})
}

func TestEveryAnswerNamesTheVersion(t *testing.T) {
	server := httptest.NewServer((&Service{Name: "render"}).Handler(http.NotFoundHandler()))
	defer server.Close()
	reply, err := get(server.URL + "/version")
	if want := `{"service":"render","version":"dev"}`; err != nil || strings.TrimSpace(string(reply.Body)) != want {
		t.Errorf("got %s, %v", reply.Body, err)
	}
	if version := reply.Header.Get(VersionHeader); version != "dev" {
		t.Errorf("got %q", version)
	}
}

func TestAServiceThatCannotWorkIsHealthyButNotReady(t *testing.T) {
	trouble := errors.New("there is no render")
	program := &Service{Ready: func(context.Context) error { return trouble }}
	server := httptest.NewServer(program.Handler(http.NotFoundHandler()))
	defer server.Close()
	if _, err := get(server.URL + "/healthz"); err != nil {
		t.Error(err)
	}
	if _, err := get(server.URL + "/readyz"); err == nil || err.Error() != "503: there is no render" {
		t.Errorf("got %v", err)
	}
	trouble = nil
	if _, err := get(server.URL + "/readyz"); err != nil {
		t.Error(err)
	}
}

func TestAServiceThatIsToldToEndFinishesWhatItBegan(t *testing.T) {
	begun, finish := make(chan struct{}), make(chan struct{})
	slow := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			close(begun)
			<-finish
		}
		fmt.Fprint(w, "done")
	})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	url := "http://" + listener.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	worked := false
	work := func(ctx context.Context) { <-ctx.Done(); worked = true }
	ended := make(chan error, 1)
	go func() { ended <- (&Service{Drain: 300 * time.Millisecond}).Serve(ctx, listener, slow, work) }()
	answer := make(chan string, 1)
	go func() { reply, err := get(url + "/slow"); answer <- fmt.Sprintf("%s %v", reply.Body, err) }()
	<-begun
	cancel()

	time.Sleep(100 * time.Millisecond) // draining: not ready, but no request is turned away
	if _, err := get(url + "/readyz"); err == nil || err.Error() != "503: draining" {
		t.Errorf("got %v", err)
	}
	if _, err := get(url + "/late"); err != nil {
		t.Error(err)
	}
	close(finish)
	if got := <-answer; got != "done <nil>" {
		t.Errorf("got %s", got)
	}
	if err := <-ended; err != nil || !worked {
		t.Errorf("got %v; the background work ended: %t", err, worked)
	}
}

func TestAnAddressThatIsTakenIsNamed(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	address := listener.Addr().String()
	err = (&Service{}).Listen(context.Background(), address, nil, nil)
	if err == nil || !strings.HasPrefix(err.Error(), "listen on "+address) {
		t.Errorf("got %v", err)
	}
}

func TestOnePodThatHangsDoesNotUseUpTheTime(t *testing.T) {
	requests := 0
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if requests++; requests == 1 {
			<-r.Context().Done()
		}
	}))
	defer server.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	_, err := Retry(ctx, Request{URL: server.URL, Limit: 50 * time.Millisecond})
	if err != nil || requests != 2 {
		t.Errorf("got %v after %d requests", err, requests)
	}
}

func TestARefusalIsNotRepeated(t *testing.T) {
	requests := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		requests++
		http.Error(w, "no such thing", http.StatusNotFound)
	}))
	defer server.Close()
	_, err := Retry(context.Background(), Request{URL: server.URL})
	if !Refused(err) || !Missing(err) || requests != 1 {
		t.Errorf("got %v after %d requests", err, requests)
	}
}
