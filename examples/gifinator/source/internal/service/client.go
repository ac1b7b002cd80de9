package service

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"
)

// BodyLimit bounds what is read of any request or answer.
const BodyLimit = 8 << 20

const (
	dialLimit    = time.Second
	attemptLimit = 2 * time.Second // one pod that hangs must not use up the caller's time
	firstPause   = 20 * time.Millisecond
	longPause    = time.Second
)

// A connection that is kept alive stays with one pod; without it every request goes through the Service anew.
var client = &http.Client{Transport: &http.Transport{
	DialContext:       (&net.Dialer{Timeout: dialLimit}).DialContext,
	DisableKeepAlives: true,
}}

// Request is one request to another service.
type Request struct {
	Method, URL string
	Body        []byte
	// RenderVersion is sent in RenderVersionHeader.
	RenderVersion string
	// Limit bounds one attempt; 0 is 2 seconds.
	Limit time.Duration
}

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

// Refused says whether the other service will give the same answer (4xx) again.
func Refused(err error) bool {
	var status StatusError
	return errors.As(err, &status) && status.Status < http.StatusInternalServerError
}

// Missing says whether the other service does not know (404) what it was asked for.
func Missing(err error) bool {
	var status StatusError
	return errors.As(err, &status) && status.Status == http.StatusNotFound
}

// Call makes one request and reads the answer. Answers of 400 and above are a StatusError.
func Call(ctx context.Context, r Request) (Reply, error) {
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(r.Limit, attemptLimit))
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, r.Method, r.URL, bytes.NewReader(r.Body))
	if err != nil {
		return Reply{}, err
	}
	if r.RenderVersion != "" {
		request.Header.Set(RenderVersionHeader, r.RenderVersion)
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

// Retry calls again, with growing pauses, until the call succeeds, is refused, or ctx ends: a service that is being rolled
// is back in a moment.
func Retry(ctx context.Context, r Request) (Reply, error) {
	for pause := firstPause; ; pause = min(2*pause, longPause) {
		reply, err := Call(ctx, r)
		if err == nil || Refused(err) || ctx.Err() != nil {
			return reply, err
		}
		if pause == firstPause { // once: a service that stays away must not fill the log
			slog.Warn("trying again", "url", r.URL, "error", err)
		}
		select {
		case <-ctx.Done():
			return reply, err
		case <-time.After(pause):
		}
	}
}
