// Package jobs splits a GIF into tasks and hands them to workers. A task is leased: a worker that dies loses nothing, for
// the lease runs out and another worker takes the task.
package jobs

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"sync"
	"time"
)

// Spec is what a GIF is asked to be.
type Spec struct {
	Text   string `json:"text"`
	Frames int    `json:"frames"`
}

// The bounds of a Spec.
const (
	MaxText   = 20
	MaxFrames = 60
)

// Check says in one line what is wrong with a spec.
func (s Spec) Check() error {
	if len(s.Text) > MaxText {
		return fmt.Errorf("text must have at most %d characters, got %d", MaxText, len(s.Text))
	}
	if s.Frames < 2 || s.Frames > MaxFrames {
		return fmt.Errorf("frames must be 2 to %d, got %d", MaxFrames, s.Frames)
	}
	return nil
}

// Assemble is the frame number of the task that makes the GIF of a job's frames.
const Assemble = -1

// Task is one piece of work: to draw a frame, or to assemble them all.
type Task struct {
	Job   string `json:"job"`
	Spec  Spec   `json:"spec"`
	Frame int    `json:"frame"`
}

// Progress says how far a job is.
type Progress struct {
	ID     string `json:"id"`
	Done   int    `json:"done"`
	Frames int    `json:"frames"`
	// Finished says that the GIF is there.
	Finished bool `json:"finished"`
	// Versions are those of the renderers that drew the frames.
	Versions string `json:"versions"`
}

// ErrNoJob says that there is no such job: never was, was dropped, or the server was restarted.
var ErrNoJob = errors.New("there is no such job")

type job struct {
	spec     Spec
	made     time.Time
	leases   map[int]time.Time // when each task's lease ends
	have     map[int]bool
	versions map[string]bool
	finished bool
}

// Store holds the jobs, and their frames and GIFs as files.
type Store struct {
	folder string
	lease  time.Duration
	most   int
	now    func() time.Time

	mutex sync.Mutex
	jobs  map[string]*job
	order []string
	wake  chan struct{}
}

// NewStore keeps files in folder, leases each task for that long, and forgets the oldest of more than `most` jobs.
func NewStore(folder string, lease time.Duration, most int) (*Store, error) {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return nil, err
	}
	return &Store{
		folder: folder, lease: lease, most: most, now: time.Now,
		jobs: map[string]*job{}, wake: make(chan struct{}),
	}, nil
}

// Add takes a job and returns its name.
func (s *Store) Add(spec Spec) (string, error) {
	random := make([]byte, 8)
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
		spec: spec, made: s.now(), leases: map[int]time.Time{}, have: map[int]bool{}, versions: map[string]bool{},
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
		if j.finished {
			continue
		}
		for _, frame := range j.open() {
			if s.now().After(j.leases[frame]) {
				j.leases[frame] = s.now().Add(s.lease)
				return &Task{id, j.spec, frame}, nil
			}
		}
	}
	return nil, s.wake
}

// open returns the tasks that are not done: the frames, and after the last of them the assembly.
func (j *job) open() []int {
	var missing []int
	for frame := range j.spec.Frames {
		if !j.have[frame] {
			missing = append(missing, frame)
		}
	}
	if len(missing) == 0 {
		return []int{Assemble}
	}
	return missing
}

// Finish takes a task's result. A result that comes twice, after a lease ran out, replaces the first, which is the same.
func (s *Store) Finish(id string, frame int, content []byte, version string) error {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	j, ok := s.jobs[id]
	if !ok {
		return ErrNoJob
	}
	if frame != Assemble && (frame < 0 || frame >= j.spec.Frames) {
		return fmt.Errorf("frame must be 0 to %d, got %d", j.spec.Frames-1, frame)
	}
	if err := write(s.path(id, frame), content); err != nil {
		return err
	}
	if frame == Assemble {
		j.finished = true
	} else {
		j.have[frame] = true
		j.versions[version] = true
	}
	s.wakeAll()
	return nil
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
	_, ok := s.jobs[id]
	s.mutex.Unlock()
	if !ok {
		return nil, ErrNoJob
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
	versions := make([]string, 0, len(j.versions))
	for version := range j.versions {
		versions = append(versions, version)
	}
	sort.Strings(versions)
	return Progress{id, len(j.have), j.spec.Frames, j.finished, strings.Join(versions, ",")}, s.wake, nil
}
