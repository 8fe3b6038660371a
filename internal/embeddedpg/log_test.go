//go:build unix

package embeddedpg

import (
	"log/slog"
	"testing"
)

func logger(tb testing.TB) *slog.Logger {
	return slog.New(slog.NewTextHandler(tb.Output(), nil))
}
