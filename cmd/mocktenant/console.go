package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

	"golang.org/x/term"
)

// console has a command's outputs and its log.
type console struct {
	out io.Writer
	err io.Writer
	log *slog.Logger
}

// say prints a line of text for people.
func (c console) say(format string, args []string) error {
	_, err := fmt.Fprintln(c.out, printable(filled(format, args)))
	return err
}

// filled fills a format, which needn't use all the texts.
func filled(format string, args []string) string {
	values := make([]any, len(args))
	for i, arg := range args {
		values[i] = arg
	}
	return fmt.Sprintf(format, values...)
}

// terminal returns the width of a terminal, or 0 if the file isn't one.
func terminal(file any) int {
	f, ok := file.(*os.File)
	if !ok {
		return 0
	}
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0
	}
	return max(width, 1)
}

// confirm asks a question on a terminal. Without a terminal, as in a script, the answer is
// yes.
func (c console) confirm(question string) error {
	if terminal(os.Stdin) == 0 || terminal(c.err) == 0 {
		return nil
	}
	if _, err := fmt.Fprintf(c.err, "%s [y/N] ", printable(question)); err != nil {
		return err
	}
	answer, err := bufio.NewReader(os.Stdin).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return nil
	}
	return errors.New("nothing was changed")
}
