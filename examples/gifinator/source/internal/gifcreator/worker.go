package gifcreator

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"image"
	"image/gif"
	"image/png"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"gifinator/internal/jobs"
	"gifinator/internal/service"
)

const (
	taskTime   = 8 * time.Second // below the lease, or another worker does the task too
	restTime   = time.Second
	readyLimit = 400 * time.Millisecond // two of them, within the second that a probe waits
	hundredths = 6                      // how long a frame stays
)

// Worker does the tasks of a server, with the frames of a render; both are URLs.
type Worker struct {
	Server, Render string
}

// Ready says whether both services that a worker needs answer.
func (w *Worker) Ready(ctx context.Context) error {
	for _, url := range []string{w.Server, w.Render} {
		healthz := service.Request{Method: http.MethodGet, URL: url + "/healthz", Limit: readyLimit}
		if _, err := service.Call(ctx, healthz); err != nil {
			return err
		}
	}
	return nil
}

// Run does tasks, several at once, until ctx ends; a task that was begun is finished.
func (w *Worker) Run(ctx context.Context, parallel int) {
	var all sync.WaitGroup
	for range parallel {
		all.Add(1)
		go func() {
			defer all.Done()
			for ctx.Err() == nil {
				w.next(ctx)
			}
		}()
	}
	all.Wait()
}

func (w *Worker) next(ctx context.Context) {
	task, err := w.lease(ctx)
	if err != nil && ctx.Err() == nil { // a server that refuses, as one of another version may
		slog.Warn("no task", "error", err)
		time.Sleep(restTime)
	}
	if err != nil || task == nil {
		return
	}
	// Not ctx: SIGTERM must not throw away what was begun.
	doing, cancel := context.WithTimeout(context.Background(), taskTime)
	defer cancel()
	if err := w.do(doing, *task); err != nil {
		slog.Warn("task failed", "job", task.Job, "frame", task.Frame, "error", err)
		time.Sleep(restTime) // a render of another version may be replaced in a moment
		w.giveBack(*task, err)
	}
}

func (w *Worker) giveBack(task jobs.Task, reason error) {
	url := fmt.Sprintf("%s/lease?try=%d", w.frameURL(task.Job, frameName(task.Frame)), task.Try)
	request := service.Request{Method: http.MethodDelete, URL: url, Body: []byte(reason.Error())}
	if _, err := service.Call(context.Background(), request); err != nil {
		slog.Warn("lease not given back; it will run out", "job", task.Job, "frame", task.Frame, "error", err)
	}
}

func frameName(frame int) string {
	if frame == jobs.Assemble {
		return "gif"
	}
	return strconv.Itoa(frame)
}

func (w *Worker) lease(ctx context.Context) (*jobs.Task, error) {
	ask := service.Request{Method: http.MethodPost, URL: w.Server + "/lease", Limit: jobs.PollLimit}
	reply, err := service.Retry(ctx, ask)
	if err != nil || reply.Status == http.StatusNoContent {
		return nil, err
	}
	var task jobs.Task
	return &task, json.Unmarshal(reply.Body, &task)
}

func (w *Worker) do(ctx context.Context, task jobs.Task) error {
	if task.Frame == jobs.Assemble {
		return w.assemble(ctx, task)
	}
	query := url.Values{
		"text":   {task.Spec.Text},
		"frame":  {strconv.Itoa(task.Frame)},
		"frames": {strconv.Itoa(task.Spec.Frames)},
	}
	frame, err := service.Retry(ctx, service.Request{Method: http.MethodGet, URL: w.Render + "/frame?" + query.Encode()})
	if err != nil {
		return fmt.Errorf("render: %w", err)
	}
	_, err = service.Retry(ctx, service.Request{
		Method: http.MethodPut, URL: w.frameURL(task.Job, frameName(task.Frame)), Body: frame.Body,
		RenderVersion: frame.Header.Get(service.VersionHeader),
	})
	return err
}

func (w *Worker) assemble(ctx context.Context, task jobs.Task) error {
	film := gif.GIF{}
	for number := range task.Spec.Frames {
		url := w.frameURL(task.Job, strconv.Itoa(number))
		reply, err := service.Retry(ctx, service.Request{Method: http.MethodGet, URL: url})
		if err != nil {
			return err
		}
		decoded, err := png.Decode(bytes.NewReader(reply.Body))
		if err != nil {
			return err
		}
		picture, ok := decoded.(*image.Paletted)
		if !ok {
			return fmt.Errorf("frame %d has no palette", number)
		}
		film.Image = append(film.Image, picture)
		film.Delay = append(film.Delay, hundredths)
	}
	var content bytes.Buffer
	if err := gif.EncodeAll(&content, &film); err != nil {
		return err
	}
	_, err := service.Retry(ctx, service.Request{
		Method: http.MethodPut, URL: w.frameURL(task.Job, frameName(task.Frame)), Body: content.Bytes(),
	})
	return err
}

func (w *Worker) frameURL(job, frame string) string {
	return fmt.Sprintf("%s/jobs/%s/frames/%s", w.Server, job, frame)
}
