package scene

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func load(t *testing.T) *Scene {
	t.Helper()
	scene, err := Load("../../scene/scene.json")
	if err != nil {
		t.Fatal(err)
	}
	return scene
}

func TestTwoDrawingsOfAFrameAreTheSame(t *testing.T) {
	scene := load(t)
	if !bytes.Equal(scene.Draw("0.0.5", "hi", 3, 24).Pix, scene.Draw("0.0.5", "hi", 3, 24).Pix) {
		t.Error("they differ")
	}
}

func TestTheSolidTurnsAndTheVersionsDiffer(t *testing.T) {
	scene := load(t)
	frame := scene.Draw("0.0.5", "hi", 0, 24)
	if bytes.Equal(frame.Pix, scene.Draw("0.0.5", "hi", 1, 24).Pix) {
		t.Error("the next frame is the same")
	}
	if other := scene.Draw("0.0.6", "hi", 0, 24); frame.Palette[8] == other.Palette[8] {
		t.Error("another version has the same colours")
	}
}

func TestASceneThatCannotBeDrawnIsRefused(t *testing.T) {
	for content, want := range map[string]string{
		`{}`:                          "size must be 32 to 1024",
		`{"width": 99, "height": 99}`: "no solids",
		`{"width": 99, "height": 99, "solids": [{"name": "x", "points": [[0,0,0]], "edges": [[0,1]]}]}`: "x has an edge",
	} {
		path := filepath.Join(t.TempDir(), "scene.json")
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Load(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v", content, err)
		}
	}
}
