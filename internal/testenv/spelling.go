package testenv

import (
	"fmt"
	"strings"
)

// Spellings returns path, which begins with a slash, and what a client may write instead to
// evade a guard that compares paths: longer paths, empty and dotted segments, another
// letter case, and escapes in either case.
func Spellings(path string) []string {
	all := []string{
		path, path + "foo", path + "/", path + "/unknown", path + "//x", path + "/.", path + "/..", path + "/..%2f", path + ";x", path + ".", path + "%20", path + "%00", path + "%5c",
		"/" + path, "/." + path, "/x/.." + path, "/%2e" + path, "/x/%2E%2e" + path, "/%2f" + path[1:], "/%5C" + path,
		strings.ToUpper(path), strings.ToLower(path), strings.ReplaceAll(path, "/", "//"),
		"/" + strings.ReplaceAll(path[1:], "/", "%2f"), "/" + strings.ReplaceAll(path[1:], "/", "%2F"),
	}
	for _, at := range []int{1, len(path) - 1} { // escape a character
		for _, format := range []string{"%%%02x", "%%%02X", "%%25%02x"} {
			all = append(all, path[:at]+fmt.Sprintf(format, path[at])+path[at+1:])
		}
	}
	return all
}
