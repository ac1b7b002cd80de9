package jobs

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// What the store refuses.
var (
	// ErrNoJob says that there is no such job: never was, was dropped, or the server was restarted.
	ErrNoJob   = errors.New("there is no such job")
	ErrNoFrame = errors.New("there is no such frame")
	ErrTooSoon = errors.New("that is not there yet")
)

// A task that failed this many times fails its job.
const mostTries = 5

const idBytes = 8

// Store holds the jobs, and their frames and GIFs as files.
type Store struct {
	folder string
	lease  time.Duration
	most   int

	mutex sync.Mutex
	jobs  map[string]*job
	order []string
	wake  chan struct{}
}

// NewStore keeps files in folder, leases each task for that long, and forgets the oldest of more than `most` jobs. Jobs
// live in memory, so the files of an earlier run belong to nobody: they are removed.
func NewStore(folder string, lease time.Duration, most int) (*Store, error) {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, err
	}
	for _, entry := range entries {
		if !isID(entry.Name()) { // a folder that is shared by mistake loses nothing
			continue
		}
		if err := os.RemoveAll(filepath.Join(folder, entry.Name())); err != nil {
			return nil, err
		}
	}
	return &Store{folder: folder, lease: lease, most: most, jobs: map[string]*job{}, wake: make(chan struct{})}, nil
}

func isID(name string) bool {
	content, err := hex.DecodeString(name)
	return err == nil && len(content) == idBytes
}

// Add takes a job and returns its name.
func (s *Store) Add(spec Spec) (string, error) {
	random := make([]byte, idBytes)
	if _, err := rand.Read(random); err != nil {
		return "", err
	}
	id := hex.EncodeToString(random)
	if err := os.Mkdir(filepath.Join(s.folder, id), 0o755); err != nil {
		return "", err
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.jobs[id] = &job{
		spec: spec, leased: map[int]bool{}, tries: map[int]int{}, done: map[int]bool{}, versions: map[string]bool{},
	}
	s.order = append(s.order, id)
	for len(s.order) > s.most {
		os.RemoveAll(filepath.Join(s.folder, s.order[0]))
		delete(s.jobs, s.order[0])
		s.order = s.order[1:]
	}
	s.wakeAll()
	return id, nil
}

func (s *Store) wakeAll() {
	close(s.wake)
	s.wake = make(chan struct{})
}

// Lease returns the next task, oldest job first; where there is none, a channel that is closed when one may be there.
func (s *Store) Lease() (*Task, <-chan struct{}) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	for _, id := range s.order {
		j := s.jobs[id]
		for _, frame := range j.open() {
			if j.leased[frame] {
				continue
			}
			j.leased[frame] = true
			j.tries[frame]++
			task := &Task{id, j.spec, frame, j.tries[frame]}
			time.AfterFunc(s.lease, func() { s.GiveBack(*task, "no worker finished it") })
			return task, nil
		}
	}
	return nil, s.wake
}

// GiveBack ends the lease of a task that was not done, so that the next worker gets it; after enough tries it fails the
// job with the reason. The lease of an earlier try has ended already.
func (s *Store) GiveBack(task Task, reason string) error {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	j, err := s.find(task.Job, task.Frame)
	if err != nil {
		return err
	}
	if j.done[task.Frame] || !j.leased[task.Frame] || j.tries[task.Frame] != task.Try {
		return nil
	}
	j.leased[task.Frame] = false
	if task.Try >= mostTries {
		j.failed = fmt.Sprintf("%s was tried %d times: %s", task, mostTries, reason)
	}
	s.wakeAll()
	return nil
}

// Finish takes a task's result. One that comes twice, after a lease ran out, is not taken: the versions stay those of the
// frames that are there.
func (s *Store) Finish(id string, frame int, content []byte, version string) error {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	j, err := s.find(id, frame)
	if err != nil {
		return err
	}
	if j.done[frame] || j.failed != "" {
		return nil
	}
	if !slices.Contains(j.open(), frame) {
		return fmt.Errorf("frames are missing: %w", ErrTooSoon)
	}
	if err := write(s.path(id, frame), content); err != nil {
		return err
	}
	j.done[frame] = true
	if frame != Assemble {
		j.versions[version] = true
	}
	s.wakeAll()
	return nil
}

// find returns the job that has this frame; the mutex is held.
func (s *Store) find(id string, frame int) (*job, error) {
	j, ok := s.jobs[id]
	if !ok {
		return nil, ErrNoJob
	}
	if frame < Assemble || frame >= j.spec.Frames {
		return nil, fmt.Errorf("%w: it must be 0 to %d, got %d", ErrNoFrame, j.spec.Frames-1, frame)
	}
	return j, nil
}

// write makes the file appear whole or not at all.
func write(path string, content []byte) error {
	if err := os.WriteFile(path+".part", content, 0o644); err != nil {
		return err
	}
	return os.Rename(path+".part", path)
}

// Read returns a frame, or with Assemble the GIF.
func (s *Store) Read(id string, frame int) ([]byte, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	j, err := s.find(id, frame)
	if err != nil {
		return nil, err
	}
	if !j.done[frame] {
		return nil, ErrTooSoon
	}
	return os.ReadFile(s.path(id, frame))
}

func (s *Store) path(id string, frame int) string {
	if frame == Assemble {
		return filepath.Join(s.folder, id, "finished.gif")
	}
	return filepath.Join(s.folder, id, fmt.Sprintf("%03d.png", frame))
}

// Progress says how far a job is, and gives a channel that is closed when that may have changed.
func (s *Store) Progress(id string) (Progress, <-chan struct{}, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	j, ok := s.jobs[id]
	if !ok {
		return Progress{}, nil, ErrNoJob
	}
	return Progress{
		ID: id, Done: min(len(j.done), j.spec.Frames), Frames: j.spec.Frames, Finished: j.done[Assemble], Failed: j.failed,
		Versions: strings.Join(slices.Sorted(maps.Keys(j.versions)), ","),
	}, s.wake, nil
}
