package certs

import (
	"crypto/tls"
	"fmt"
	"os"
	"sync"
	"time"
)

// checkPause is the least time between two looks at the files.
const checkPause = time.Second

// FromFiles returns what serves as tls.Config.GetCertificate: the certificate in
// two PEM files, read again when they change. It fails if they can't be read
// now; if they can't later, the last good one serves on and failed is told.
func FromFiles(certificate, key string, failed func(error)) (func(*tls.ClientHelloInfo) (*tls.Certificate, error), error) {
	f := &files{certificate: certificate, key: key, failed: failed}
	f.version = f.stat()
	return f.get, f.load()
}

type files struct {
	certificate, key string
	failed           func(error)

	mu      sync.Mutex
	current *tls.Certificate
	version [2]time.Time
	checked time.Time
}

func (f *files) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if now := time.Now(); now.Sub(f.checked) >= checkPause {
		f.checked = now
		if version := f.stat(); version != f.version {
			f.version = version
			if err := f.load(); err != nil {
				f.failed(err)
			}
		}
	}
	return f.current, nil
}

func (f *files) load() error {
	pair, err := tls.LoadX509KeyPair(f.certificate, f.key)
	if err != nil {
		return fmt.Errorf("read the certificate in %s and %s: %w", f.certificate, f.key, err)
	}
	f.current = &pair
	return nil
}

// stat is when the files were last changed.
func (f *files) stat() (version [2]time.Time) {
	for i, name := range []string{f.certificate, f.key} {
		if info, err := os.Stat(name); err == nil {
			version[i] = info.ModTime()
		}
	}
	return version
}
