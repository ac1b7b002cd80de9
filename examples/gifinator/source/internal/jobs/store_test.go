package jobs

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const soon = 20 * time.Millisecond

func newStore(t *testing.T, folder string, lease time.Duration) *Store {
	t.Helper()
	store, err := NewStore(folder, lease, 2)
	if err != nil {
		t.Fatal(err)
	}
	return store
}

func add(t *testing.T, store *Store) string {
	t.Helper()
	id, err := store.Add(Spec{Frames: 2})
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func finish(t *testing.T, store *Store, id string, frame int, version string) {
	t.Helper()
	if err := store.Finish(id, frame, []byte(version), version); err != nil {
		t.Fatal(err)
	}
}

func names(t *testing.T, folder string) string {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, entry := range entries {
		found = append(found, entry.Name())
	}
	return strings.Join(found, " ")
}

func TestTheOldestJobsAndTheirFilesAreForgotten(t *testing.T) {
	folder := t.TempDir()
	store := newStore(t, folder, time.Minute)
	first := add(t, store)
	finish(t, store, first, 0, "1")
	add(t, store)
	add(t, store)
	if _, _, err := store.Progress(first); !errors.Is(err, ErrNoJob) {
		t.Errorf("got %v", err)
	}
	if found := names(t, folder); strings.Contains(found, first) || len(strings.Fields(found)) != 2 {
		t.Errorf("got %s", found)
	}
}

func TestAStoreStartsWithoutTheFilesOfAnEarlierOne(t *testing.T) {
	folder := t.TempDir()
	earlier := newStore(t, folder, time.Minute)
	finish(t, earlier, add(t, earlier), 0, "1")
	if err := os.Mkdir(filepath.Join(folder, "another's"), 0o755); err != nil {
		t.Fatal(err)
	}
	newStore(t, folder, time.Minute)
	if found := names(t, folder); found != "another's" {
		t.Errorf("got %s", found)
	}
}

func TestATaskIsLeasedOnce(t *testing.T) {
	store := newStore(t, t.TempDir(), time.Minute)
	add(t, store)
	first, _ := store.Lease()
	second, _ := store.Lease()
	third, _ := store.Lease()
	if first.Frame != 0 || second.Frame != 1 || third != nil {
		t.Errorf("got %+v, %+v, %+v", first, second, third)
	}
}

func TestALeaseThatRunsOutWakesThoseWhoWait(t *testing.T) {
	store := newStore(t, t.TempDir(), soon)
	add(t, store)
	store.Lease()
	store.Lease()
	_, news := store.Lease()
	select {
	case <-news:
	case <-time.After(time.Second):
		t.Fatal("nobody was woken")
	}
	if task, _ := store.Lease(); task == nil {
		t.Error("the task is not there for another")
	}
}

func TestATaskThatNobodyFinishesFailsItsJob(t *testing.T) {
	store := newStore(t, t.TempDir(), time.Millisecond)
	id := add(t, store)
	finish(t, store, id, 1, "1")
	tries := 0
	for deadline := time.After(5 * time.Second); ; {
		state, _, _ := store.Progress(id)
		if state.Failed != "" {
			if want := "frame 0 was tried 5 times: no worker finished it"; state.Failed != want || tries != 5 {
				t.Errorf("got %q after %d tries", state.Failed, tries)
			}
			break
		}
		task, news := store.Lease()
		if task != nil {
			tries++
			continue
		}
		select {
		case <-news:
		case <-deadline:
			t.Fatal("it never failed")
		}
	}
	if task, _ := store.Lease(); task != nil {
		t.Errorf("a failed job still gives %+v", task)
	}
}

func TestALeaseThatIsGivenBackIsLeasedAgainAtOnce(t *testing.T) {
	store := newStore(t, t.TempDir(), time.Minute)
	id := add(t, store)
	first, _ := store.Lease()
	giveBack(t, store, *first)
	second, _ := store.Lease()
	if second == nil || second.Frame != first.Frame || second.Try != 2 {
		t.Fatalf("got %+v after %+v", second, first)
	}
	giveBack(t, store, *first) // its lease ended before the second began
	if third, _ := store.Lease(); third == nil || third.Frame == first.Frame {
		t.Errorf("an ended lease ended another: %+v", third)
	}
	for task := second; task != nil; task, _ = store.Lease() {
		giveBack(t, store, *task)
	}
	if state, _, _ := store.Progress(id); state.Failed != "frame 0 was tried 5 times: render: 400: no" {
		t.Errorf("got %q", state.Failed)
	}
}

func giveBack(t *testing.T, store *Store, task Task) {
	t.Helper()
	if err := store.GiveBack(task, "render: 400: no"); err != nil {
		t.Fatal(err)
	}
}

func TestTheVersionsAreThoseOfTheFramesThatWereTaken(t *testing.T) {
	store := newStore(t, t.TempDir(), time.Minute)
	id := add(t, store)
	finish(t, store, id, 0, "0.0.5")
	finish(t, store, id, 1, "0.0.6")
	finish(t, store, id, 0, "0.0.7") // a worker whose lease ran out long ago
	finish(t, store, id, Assemble, "")
	finish(t, store, id, 1, "0.0.7")
	content, err := store.Read(id, 0)
	state, _, _ := store.Progress(id)
	want := Progress{ID: id, Done: 2, Frames: 2, Finished: true, Versions: "0.0.5,0.0.6"}
	if err != nil || string(content) != "0.0.5" || state != want {
		t.Errorf("got %s, %v, %+v", content, err, state)
	}
}

func TestAGIFWithoutAllItsFramesIsRefused(t *testing.T) {
	store := newStore(t, t.TempDir(), time.Minute)
	id := add(t, store)
	finish(t, store, id, 0, "1")
	if err := store.Finish(id, Assemble, nil, ""); !errors.Is(err, ErrTooSoon) {
		t.Errorf("got %v", err)
	}
	if err := store.Finish(id, 2, nil, ""); !errors.Is(err, ErrNoFrame) {
		t.Errorf("got %v", err)
	}
}
