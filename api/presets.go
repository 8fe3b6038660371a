package api

import (
	"embed"
	"strings"
)

//go:embed presets/*.json
var presets embed.FS

// Preset returns the document of a preset, which a new tenant can start from. The preset fresh
// has what a new Intune tenant holds; demo has entities of every set. The document omits the ids
// that the tenant's id seed determines. If no preset has this name, ok is false.
func Preset(name string) (document State, ok bool) {
	text, err := presets.ReadFile("presets/" + name + ".json")
	return text, err == nil
}

// PresetNames lists the presets.
func PresetNames() (names []string) {
	files, err := presets.ReadDir("presets")
	if err != nil {
		panic(err) // they are embedded
	}
	for _, f := range files {
		names = append(names, strings.TrimSuffix(f.Name(), ".json"))
	}
	return names
}
