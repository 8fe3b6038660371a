package main

import (
	"encoding/json"
	"os"
	"path/filepath"
)

// service is what a running service leaves in its data directory for the other
// commands to find it.
type service struct {
	URL string `json:"url"`
	PID int    `json:"pid"`
}

func serviceFile(dir string) string { return filepath.Join(dir, "service.json") }

func writeService(dir, url string) error {
	text, err := json.Marshal(service{URL: url, PID: os.Getpid()})
	if err != nil {
		return err
	}
	return os.WriteFile(serviceFile(dir), append(text, '\n'), 0o644)
}

func removeService(dir string) { _ = os.Remove(serviceFile(dir)) }

// findService returns the URL at which the service of a data directory listens,
// as far as it is known.
func findService(dir string) (url string, ok bool) {
	text, err := os.ReadFile(serviceFile(dir))
	var s service
	return s.URL, err == nil && json.Unmarshal(text, &s) == nil && s.URL != ""
}
