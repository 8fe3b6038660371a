package certs

import (
	"crypto/tls"
	"fmt"
	"os"
	"sync"
	"time"
)

// checkPause is the minimum time between two checks of the files.
const checkPause = time.Second

// FromFiles returns a function for tls.Config.GetCertificate that serves the certificate in
// two PEM files and reads them again when they change. FromFiles fails if it can't read
// them now; after a later failure, the function calls failed and keeps serving the last
// good certificate.
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

// stat returns when each file was last changed.
func (f *files) stat() (version [2]time.Time) {
	for i, name := range []string{f.certificate, f.key} {
		if info, err := os.Stat(name); err == nil {
			version[i] = info.ModTime()
		}
	}
	return version
}
