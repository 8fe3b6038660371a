package clients_test

import (
	"bufio"
	"cmp"
	"flag"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
)

var update = flag.Bool("update", false, "take the pictures of docs/console.md again")

// Someone who knows only the address that the service prints makes a tenant, copies its
// credentials, onboards a partner at its link, watches and throttles a client, freezes time, and
// restores a snapshot. The pictures of docs/console.md come from the same visit.
func TestFirstVisit(t *testing.T) {
	t.Parallel()
	env := []string{"MOCKTENANT_CONSOLE_URL=" + freshService(t)}
	if *update {
		env = append(env, "MOCKTENANT_UPDATE=1")
	}
	runNode(t, env, "first_visit.mjs")
	if *update {
		shrinkPictures(t)
	}
}

// freshService starts a service without any tenant, and returns the console's address, which it
// prints.
func freshService(t *testing.T) string {
	t.Helper()
	_, console := freshServiceWith(t)
	return console
}

// freshServiceWith starts such a service with more variables, and returns the addresses of Graph
// and of the console.
func freshServiceWith(t *testing.T, env ...string) (graph, console string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "mocktenant-visit-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o711); err != nil { // another user may run the service's Postgres
		t.Fatal(err)
	}
	service := exec.CommandContext(t.Context(), tenant.binary)
	service.Env = append(append(os.Environ(), "MOCKTENANT_DATA_DIR="+filepath.Join(dir, "data"), "MOCKTENANT_DEMO=false", "MOCKTENANT_HTTPS_ADDR=", "MOCKTENANT_PROXY_ADDR="), env...)
	service.Stderr = os.Stderr
	service.Cancel = func() error { return service.Process.Signal(syscall.SIGTERM) }
	out, err := service.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := service.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = service.Wait() })
	address := regexp.MustCompile(`http://[^/\s]+(/console)?`)
	for lines := bufio.NewScanner(out); lines.Scan(); {
		found := address.FindString(lines.Text())
		switch {
		case strings.HasSuffix(found, "/console"):
			return graph, found
		case graph == "":
			graph = found
		}
	}
	t.Fatal("the service printed no address of the console")
	return "", ""
}

// shrinkPictures gives each picture a palette of its most frequent colors, for less than half the size.
func shrinkPictures(t *testing.T) {
	t.Helper()
	names, err := filepath.Glob("../../docs/screenshots/*.png")
	if err != nil || len(names) == 0 {
		t.Fatalf("%v, %d pictures", err, len(names))
	}
	for _, name := range names {
		file, err := os.OpenFile(name, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		full, err := png.Decode(file)
		if err != nil {
			t.Fatal(err)
		}
		small := image.NewPaletted(full.Bounds(), frequent(full))
		draw.Draw(small, small.Rect, full, full.Bounds().Min, draw.Src)
		if _, err := file.Seek(0, 0); err != nil {
			t.Fatal(err)
		}
		if err := file.Truncate(0); err != nil {
			t.Fatal(err)
		}
		if err := (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(file, small); err != nil {
			t.Fatal(err)
		}
		if err := file.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// frequent returns a picture's 128 most frequent colors.
func frequent(of image.Image) (palette color.Palette) {
	counts := map[color.RGBA]int{}
	for y := of.Bounds().Min.Y; y < of.Bounds().Max.Y; y++ {
		for x := of.Bounds().Min.X; x < of.Bounds().Max.X; x++ {
			counts[color.RGBAModel.Convert(of.At(x, y)).(color.RGBA)]++
		}
	}
	var all []color.RGBA
	for c := range counts {
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b color.RGBA) int {
		return cmp.Or(counts[b]-counts[a], cmp.Compare(a.R, b.R), cmp.Compare(a.G, b.G), cmp.Compare(a.B, b.B))
	})
	for _, c := range all[:min(len(all), 128)] {
		palette = append(palette, c)
	}
	return palette
}
