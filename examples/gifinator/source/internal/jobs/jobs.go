// Package jobs splits a GIF into tasks and hands them to workers. A task is leased: a worker that fails gives its lease
// back, and the lease of a worker that dies runs out; then another worker takes the task.
package jobs

import (
	"fmt"
	"time"
	"unicode/utf8"
)

const (
	// PollTime is how long a server lets a worker or a client wait for news; then they ask again.
	PollTime = 5 * time.Second
	// PollLimit is when one who waits gives a server up.
	PollLimit = PollTime + 2*time.Second
)

// Spec is what a GIF is asked to be.
type Spec struct {
	Text   string `json:"text"`
	Frames int    `json:"frames"`
}

// The bounds of a Spec; text is counted in characters.
const (
	MaxText   = 20
	MaxFrames = 60
)

// Check says in one line what is wrong with a spec.
func (s Spec) Check() error {
	if length := utf8.RuneCountInString(s.Text); length > MaxText {
		return fmt.Errorf("text must have at most %d characters, got %d", MaxText, length)
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
	// Try counts the leases of this task, from 1.
	Try int `json:"try"`
}

func (t Task) String() string {
	if t.Frame == Assemble {
		return "the assembly of the GIF"
	}
	return fmt.Sprintf("frame %d", t.Frame)
}

// Progress says how far a job is.
type Progress struct {
	ID     string `json:"id"`
	Done   int    `json:"done"`
	Frames int    `json:"frames"`
	// Finished says that the GIF is there.
	Finished bool `json:"finished"`
	// Failed is why there will be no GIF.
	Failed string `json:"failed,omitempty"`
	// Versions are those of the renderers that drew the frames.
	Versions string `json:"versions"`
}

type job struct {
	spec     Spec
	leased   map[int]bool // by frame
	tries    map[int]int
	done     map[int]bool
	versions map[string]bool
	failed   string
}

// open returns the tasks that are not done: the frames, and after the last of them the assembly.
func (j *job) open() []int {
	if j.failed != "" || j.done[Assemble] {
		return nil
	}
	var missing []int
	for frame := range j.spec.Frames {
		if !j.done[frame] {
			missing = append(missing, frame)
		}
	}
	if len(missing) == 0 {
		return []int{Assemble}
	}
	return missing
}
