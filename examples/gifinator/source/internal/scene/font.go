package scene

import (
	"image"
	"strings"
)

const (
	glyphWidth, glyphHeight = 3, 5
	scale                   = 2
)

// glyphs is a font of three by five points, row by row from the top; what is not here is drawn as a blank.
var glyphs = map[rune]string{
	'0': "####.##.##.####", '1': ".#.##..#..#.###", '2': "###..#####..###", '3': "###..####..####", '4': "#.##.####..#..#",
	'5': "####..###..####", '6': "####..####.####", '7': "###..#.#..#..#.", '8': "####.#####.####", '9': "####.####..####",
	'A': ".#.#.#####.##.#", 'B': "##.#.###.#.###.", 'C': ".###..#..#...##", 'D': "##.#.##.##.###.", 'E': "####..##.#..###",
	'F': "####..##.#..#..", 'G': ".###..#.##.#.##", 'H': "#.##.#####.##.#", 'I': "###.#..#..#.###", 'J': "..#..#..##.#.#.",
	'K': "#.##.###.#.##.#", 'L': "#..#..#..#..###", 'M': "#.########.##.#", 'N': "##.#.##.##.##.#", 'O': ".#.#.##.##.#.#.",
	'P': "##.#.###.#..#..", 'Q': ".#.#.##.###..##", 'R': "##.#.###.#.##.#", 'S': ".###...#...###.", 'T': "###.#..#..#..#.",
	'U': "#.##.##.##.####", 'V': "#.##.##.##.#.#.", 'W': "#.##.########.#", 'X': "#.##.#.#.#.##.#", 'Y': "#.##.#.#..#..#.",
	'Z': "###..#.#.#..###", '.': ".............#.", '-': "......###......", '!': ".#..#..#.....#.", '?': "##...#.#.....#.",
}

// write draws text from its upper left corner; what does not fit is cut.
func write(picture *image.Paletted, text string, x, y int) {
	for _, letter := range strings.ToUpper(text) {
		for i, point := range glyphs[letter] {
			if point == '#' {
				fill(picture, x+i%glyphWidth*scale, y+i/glyphWidth*scale)
			}
		}
		x += (glyphWidth + 1) * scale
	}
}

func fill(picture *image.Paletted, x, y int) {
	for dy := range scale {
		for dx := range scale {
			if image.Pt(x+dx, y+dy).In(picture.Rect) {
				picture.SetColorIndex(x+dx, y+dy, textShade)
			}
		}
	}
}
