package scene

import (
	"bytes"
	"math"
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

func TestTheSolidTurns(t *testing.T) {
	scene := load(t)
	frame := scene.Draw("0.0.5", "hi", 0, 24)
	if bytes.Equal(frame.Pix, scene.Draw("0.0.5", "hi", 1, 24).Pix) {
		t.Error("the next frame is the same")
	}
}

func TestNeighbouringVersionsHaveOtherSolidsAndColoursFarApart(t *testing.T) {
	for _, pair := range [][2]string{
		{"0.0.5", "0.0.6"}, {"0.0.6", "0.0.7"}, {"0.0.5", "0.0.7"}, {"0.0.9", "0.0.10"},
		{"0.0.1", "0.1.0"}, {"0.1.0", "1.0.0"}, {"0.0.1", "1.0.0"}, {"1.9.0", "1.10.0"},
	} {
		apart := math.Abs(hue(pair[0]) - hue(pair[1]))
		if apart = min(apart, 1-apart); apart < 0.15 {
			t.Errorf("%v: the hues are %.2f apart", pair, apart)
		}
		if number(pair[0])%6 == number(pair[1])%6 {
			t.Errorf("%v have the same solid", pair)
		}
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
