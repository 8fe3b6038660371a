package embeddedpg

import (
	"cmp"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
)

// defaultPort is Postgres's default port.
const defaultPort = "5432"

// ParseListen splits Options.Listen into hosts (* for all) and their common port. Its error
// names the host or port that is wrong.
func ParseListen(listen string) (hosts []string, port string, err error) {
	if listen == "" {
		return nil, defaultPort, nil
	}
	for word := range strings.SplitSeq(listen, ",") {
		host, own, err := splitListen(strings.TrimSpace(word))
		if err != nil {
			return nil, "", err
		}
		if own != "" && port != "" && own != port {
			return nil, "", fmt.Errorf("%q has another port than %s: want one port for all", word, port)
		}
		hosts, port = append(hosts, host), cmp.Or(port, own)
	}
	return hosts, cmp.Or(port, defaultPort), nil
}

// splitListen splits HOST:PORT. The port is "" if the word has none.
func splitListen(word string) (host, port string, err error) {
	if net.ParseIP(word) != nil || word == "*" || !strings.Contains(word, ":") {
		if word == "" {
			return "", "", fmt.Errorf("a host is empty: want HOST, HOST:PORT, or * for all")
		}
		return word, "", nil
	}
	host, port, err = net.SplitHostPort(word)
	if err != nil {
		return "", "", fmt.Errorf("%q: want HOST, HOST:PORT, or * for all", word)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return "", "", fmt.Errorf("%q: want a port from 1 to 65535", word)
	}
	return cmp.Or(host, "*"), port, nil
}

// tcpURL returns the URL with which a local client reaches the server, as role mocktenant.
func tcpURL(listen, password string) string {
	hosts, port, err := ParseListen(listen)
	if err != nil || len(hosts) == 0 {
		return ""
	}
	host := hosts[0]
	if ip := net.ParseIP(host); host == "*" || ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	u := url.URL{
		Scheme: "postgres", User: url.UserPassword(RoleName, password), Host: net.JoinHostPort(host, port),
		Path: "/" + databaseName, RawQuery: "sslmode=disable",
	}
	return u.String()
}
