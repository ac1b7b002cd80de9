package service

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// BodyLimit bounds what is read of any request or answer.
const BodyLimit = 8 << 20

// A connection that is kept alive stays with one pod; without it every request goes through the Service anew.
var client = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

// Reply is an answer that was read whole.
type Reply struct {
	Status int
	Header http.Header
	Body   []byte
}

// StatusError is an answer that says no.
type StatusError struct {
	Status  int
	Message string
}

func (e StatusError) Error() string { return fmt.Sprintf("%d: %s", e.Status, e.Message) }

// Call makes one request and reads the answer. Answers of 400 and above are a StatusError.
func Call(ctx context.Context, method, url string, body []byte, headers map[string]string) (Reply, error) {
	request, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return Reply{}, err
	}
	for name, value := range headers {
		request.Header.Set(name, value)
	}
	response, err := client.Do(request)
	if err != nil {
		return Reply{}, err
	}
	defer response.Body.Close()
	content, err := io.ReadAll(io.LimitReader(response.Body, BodyLimit))
	if err != nil {
		return Reply{}, err
	}
	if response.StatusCode >= http.StatusBadRequest {
		return Reply{}, StatusError{response.StatusCode, strings.TrimSpace(string(content))}
	}
	return Reply{response.StatusCode, response.Header, content}, nil
}

const (
	firstPause = 20 * time.Millisecond
	longPause  = time.Second
)

// Retry calls again, with growing pauses, until the call succeeds, says what will not change (final), or ctx ends: a
// service that is being rolled is back in a moment.
func Retry(ctx context.Context, final func(error) bool, call func() error) error {
	for pause := firstPause; ; pause = min(2*pause, longPause) {
		err := call()
		if err == nil || final(err) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pause):
		}
	}
}
