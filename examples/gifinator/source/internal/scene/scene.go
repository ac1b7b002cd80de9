// Package scene draws a turning solid with a line of text. The solid and its colour follow from the version, so that a
// person sees at a glance which version drew it.
package scene

import (
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"math"
	"os"
	"sort"
)

// Scene is what the file /tmp/scene/scene.json holds: the picture's size in pixels, and solids as points and edges.
type Scene struct {
	Width  int     `json:"width"`
	Height int     `json:"height"`
	Solids []Solid `json:"solids"`
}

// Solid is a wire frame: points in a unit sphere, and pairs of their indexes.
type Solid struct {
	Name   string       `json:"name"`
	Points [][3]float64 `json:"points"`
	Edges  [][2]int     `json:"edges"`
}

// Shades is the number of colours of a frame: 0 is the background, the last one the text.
const Shades = 16

const textShade = Shades - 1

// Load reads a scene and checks it.
func Load(path string) (*Scene, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var scene Scene
	if err := json.Unmarshal(content, &scene); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if scene.Width < 32 || scene.Height < 32 || scene.Width > 1024 || scene.Height > 1024 {
		return nil, fmt.Errorf("%s: the size must be 32 to 1024 pixels, got %d by %d", path, scene.Width, scene.Height)
	}
	if len(scene.Solids) == 0 {
		return nil, fmt.Errorf("%s: there are no solids", path)
	}
	for _, solid := range scene.Solids {
		for _, edge := range solid.Edges {
			if edge[0] < 0 || edge[1] < 0 || edge[0] >= len(solid.Points) || edge[1] >= len(solid.Points) {
				return nil, fmt.Errorf("%s: %s has an edge to a point that is not there: %v", path, solid.Name, edge)
			}
		}
	}
	return &scene, nil
}

// Draw draws frame number `frame` of `frames`, which together are one whole turn.
func (s *Scene) Draw(version, text string, frame, frames int) *image.Paletted {
	picture := image.NewPaletted(image.Rect(0, 0, s.Width, s.Height), palette(version))
	solid := s.Solids[number(version)%uint32(len(s.Solids))]
	points := turned(solid.Points, 2*math.Pi*float64(frame)/float64(frames))
	for _, edge := range byDepth(solid.Edges, points) {
		s.line(picture, points[edge[0]], points[edge[1]])
	}
	write(picture, text, 4, 4)
	write(picture, "V"+version, 4, s.Height-glyphHeight*scale-4)
	return picture
}

// number weighs the parts of a version, so that 0.0.1, 0.1.0 and 1.0.0 differ; a commit hash is one part.
func number(version string) uint32 {
	var total, part uint32
	for _, letter := range version {
		if letter == '.' {
			total, part = 998*(total+part), 0 // 2 modulo the six solids, whose turn is then another for each part
			continue
		}
		part = 10*part + uint32(letter)
	}
	return total + part
}

// hue goes on by the golden ratio: the hues of neighbouring versions are far apart, however many there are.
func hue(version string) float64 {
	_, fraction := math.Modf(float64(number(version)) * (math.Sqrt(5) - 1) / 2)
	return fraction
}

func palette(version string) color.Palette {
	colours := make(color.Palette, Shades)
	for shade := range colours {
		colours[shade] = shaded(hue(version), 0.08+0.92*float64(shade)/float64(Shades-2))
	}
	colours[textShade] = color.RGBA{255, 255, 255, 255}
	return colours
}

func shaded(hue, light float64) color.RGBA {
	channel := func(offset float64) uint8 {
		wave := 0.5 + 0.5*math.Cos(2*math.Pi*(hue+offset))
		return uint8(255 * math.Min(1, light) * (0.3 + 0.7*wave))
	}
	return color.RGBA{channel(0), channel(2.0 / 3), channel(1.0 / 3), 255}
}

func turned(points [][3]float64, angle float64) [][3]float64 {
	sin, cos := math.Sincos(angle)
	tiltSin, tiltCos := math.Sincos(0.5)
	out := make([][3]float64, len(points))
	for i, p := range points {
		x, z := p[0]*cos+p[2]*sin, p[2]*cos-p[0]*sin
		out[i] = [3]float64{x, p[1]*tiltCos - z*tiltSin, p[1]*tiltSin + z*tiltCos}
	}
	return out
}

func byDepth(edges [][2]int, points [][3]float64) [][2]int {
	sorted := append([][2]int(nil), edges...)
	depth := func(e [2]int) float64 { return points[e[0]][2] + points[e[1]][2] }
	sort.SliceStable(sorted, func(i, j int) bool { return depth(sorted[i]) < depth(sorted[j]) })
	return sorted
}

// line draws an edge, brighter and thicker where it is near.
func (s *Scene) line(picture *image.Paletted, from, to [3]float64) {
	const steps = 160
	radius := 0.36 * float64(min(s.Width, s.Height))
	for step := 0; step <= steps; step++ {
		t := float64(step) / steps
		near := 1 / (3 - (from[2] + t*(to[2]-from[2])))
		x := float64(s.Width)/2 + 2.6*near*radius*(from[0]+t*(to[0]-from[0]))
		y := float64(s.Height)/2 - 2.6*near*radius*(from[1]+t*(to[1]-from[1]))
		shade := uint8(5 + math.Min(float64(textShade-6), 40*(near-0.24)))
		dot(picture, int(x), int(y), 1+int(4*(near-0.25)), shade)
	}
}

func dot(picture *image.Paletted, x, y, size int, shade uint8) {
	for dy := -size; dy <= size; dy++ {
		for dx := -size; dx <= size; dx++ {
			if dx*dx+dy*dy <= size*size && image.Pt(x+dx, y+dy).In(picture.Rect) {
				picture.SetColorIndex(x+dx, y+dy, shade)
			}
		}
	}
}
