package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
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
	taskTime     = 8 * time.Second // below the lease, or another worker does the task too
	restTime     = 200 * time.Millisecond
	hundredths   = 6 // how long a frame stays
	leaseHeadway = pollTime + 5*time.Second
)

type worker struct {
	server, render string
}

// ready says whether both services that a worker needs answer.
func (w *worker) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	for _, url := range []string{w.server, w.render} {
		if _, err := service.Call(ctx, http.MethodGet, url+"/healthz", nil, nil); err != nil {
			return err
		}
	}
	return nil
}

// run does tasks, several at once, until ctx ends; a task that was begun is finished.
func (w *worker) run(ctx context.Context, parallel int) {
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

func (w *worker) next(ctx context.Context) {
	task, err := w.lease(ctx)
	if err != nil || task == nil {
		if err != nil && ctx.Err() == nil {
			slog.Warn("no task", "error", err)
			time.Sleep(restTime)
		}
		return
	}
	// Not ctx: SIGTERM must not throw away what was begun.
	doing, cancel := context.WithTimeout(context.Background(), taskTime)
	defer cancel()
	if err := w.do(doing, *task); err != nil {
		slog.Warn("task failed; its lease will run out", "job", task.Job, "frame", task.Frame, "error", err)
	}
}

func (w *worker) lease(ctx context.Context) (*jobs.Task, error) {
	ctx, cancel := context.WithTimeout(ctx, leaseHeadway)
	defer cancel()
	reply, err := service.Call(ctx, http.MethodPost, w.server+"/lease", nil, nil)
	if err != nil || reply.Status == http.StatusNoContent {
		return nil, err
	}
	var task jobs.Task
	return &task, json.Unmarshal(reply.Body, &task)
}

func (w *worker) do(ctx context.Context, task jobs.Task) error {
	if task.Frame == jobs.Assemble {
		return w.assemble(ctx, task)
	}
	query := url.Values{
		"text":   {task.Spec.Text},
		"frame":  {strconv.Itoa(task.Frame)},
		"frames": {strconv.Itoa(task.Spec.Frames)},
	}
	frame, err := call(ctx, http.MethodGet, w.render+"/frame?"+query.Encode(), nil, nil)
	if err != nil {
		return fmt.Errorf("render: %w", err)
	}
	version := map[string]string{versionsHeader: frame.Header.Get(service.VersionHeader)}
	_, err = call(ctx, http.MethodPut, w.frameURL(task.Job, strconv.Itoa(task.Frame)), frame.Body, version)
	return err
}

func (w *worker) assemble(ctx context.Context, task jobs.Task) error {
	film := gif.GIF{}
	for number := range task.Spec.Frames {
		reply, err := call(ctx, http.MethodGet, w.frameURL(task.Job, strconv.Itoa(number)), nil, nil)
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
	_, err := call(ctx, http.MethodPut, w.frameURL(task.Job, "gif"), content.Bytes(), nil)
	return err
}

func (w *worker) frameURL(job, frame string) string {
	return fmt.Sprintf("%s/jobs/%s/frames/%s", w.server, job, frame)
}

// call tries again while a service is being rolled; an answer of 4xx will not change.
func call(ctx context.Context, method, url string, body []byte, headers map[string]string) (service.Reply, error) {
	var reply service.Reply
	err := service.Retry(ctx, refused, func() (err error) {
		reply, err = service.Call(ctx, method, url, body, headers)
		return err
	})
	return reply, err
}

func refused(err error) bool {
	var status service.StatusError
	return errors.As(err, &status) && status.Status < http.StatusInternalServerError
}
