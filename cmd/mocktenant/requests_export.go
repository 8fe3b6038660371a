package main

import (
	"encoding/json"
	"fmt"

	"github.com/mocktenant/mocktenant/api"
	"github.com/mocktenant/mocktenant/internal/archive"
)

// requestPrinter prints requests. first means that they are the first ones.
type requestPrinter func(con console, requests []api.Request, first bool) error

var requestPrinters = map[string]requestPrinter{
	"table": func(con console, requests []api.Request, first bool) error {
		rows := requestTable.all(requests)
		if !first {
			rows = rows[1:]
		}
		return printTable(con.out, rows)
	},
	"json": func(con console, requests []api.Request, _ bool) error { return printJSON(con.out, requests) },
	"har": func(con console, requests []api.Request, _ bool) error {
		return printJSON(con.out, archive.NewHAR(requests, version))
	},
	"curl": func(con console, requests []api.Request, _ bool) error {
		for _, r := range requests {
			if _, err := fmt.Fprintln(con.out, archive.Curl(r)); err != nil {
				return err
			}
		}
		return nil
	},
}

// readBody reads JSON from a flag or a file.
func readBody(text []byte, into any) error {
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("the JSON %.100q: %w", text, err)
	}
	return nil
}
