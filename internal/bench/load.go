package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"
)

// load lets clients send the requests over and over, in turn, each when its last
// one was answered, and wants the status. It speaks HTTP/1.1 over bare connections,
// so that the client costs little beside what is measured.
func load(ctx context.Context, address string, requests [][]byte, status, clients int, d time.Duration) (figures, error) {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	var (
		wg        sync.WaitGroup
		mu        sync.Mutex
		latencies []time.Duration
		failure   error
	)
	start := time.Now()
	for first := range clients {
		wg.Go(func() {
			mine, err := send(ctx, address, requests, first, status)
			mu.Lock()
			defer mu.Unlock()
			latencies = append(latencies, mine...)
			if err != nil {
				failure = err
			}
		})
	}
	wg.Wait()
	return summarize(latencies, time.Since(start)), failure
}

func send(ctx context.Context, address string, requests [][]byte, first, status int) ([]time.Duration, error) {
	conn, err := (&net.Dialer{}).DialContext(context.WithoutCancel(ctx), "tcp", address)
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }()
	var latencies []time.Duration
	answers := bufio.NewReaderSize(conn, 64<<10)
	want := fmt.Sprintf("HTTP/1.1 %d ", status)
	for i := first; ctx.Err() == nil; i++ {
		start := time.Now()
		if _, err := conn.Write(requests[i%len(requests)]); err != nil {
			return latencies, err
		}
		if err := readAnswer(answers, want); err != nil {
			return latencies, err
		}
		latencies = append(latencies, time.Since(start))
	}
	return latencies, nil
}

// readAnswer reads past one answer, whose length must be given.
func readAnswer(r *bufio.Reader, want string) error {
	first, err := r.ReadString('\n')
	if err != nil {
		return err
	}
	if !strings.HasPrefix(first, want) {
		return fmt.Errorf("got %q, want %q", first, want)
	}
	length := -1
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return err
		}
		line = bytes.TrimSpace(line)
		if len(line) == 0 {
			break
		}
		if value, ok := bytes.CutPrefix(line, []byte("Content-Length: ")); ok {
			if length, err = strconv.Atoi(string(value)); err != nil {
				return err
			}
		}
	}
	if length < 0 {
		return fmt.Errorf("an answer has no Content-Length")
	}
	_, err = io.CopyN(io.Discard, r, int64(length))
	return err
}
