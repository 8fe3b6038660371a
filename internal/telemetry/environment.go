package telemetry

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// setting is an OpenTelemetry variable that is read here or by its exporters. The exporters
// ignore an invalid value and use a default, so it is checked here first.
// https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/
// https://opentelemetry.io/docs/specs/otel/protocol/exporter/
type setting struct {
	name  string
	check func(value string) error // returns what is wanted instead
}

var settings = append([]setting{
	{"OTEL_SDK_DISABLED", oneOf("true", "false")},
	{"OTEL_TRACES_EXPORTER", oneOf("otlp", "console", "none")},
	{"OTEL_METRICS_EXPORTER", oneOf("otlp", "console", "none")},
	{"OTEL_TRACES_SAMPLER", oneOf("always_on", "always_off", "traceidratio", "parentbased_always_on", "parentbased_always_off", "parentbased_traceidratio")},
	{"OTEL_TRACES_SAMPLER_ARG", ratio},
	{"OTEL_RESOURCE_ATTRIBUTES", pairs},
	{"OTEL_PROPAGATORS", oneOf("tracecontext", "tracecontext,baggage", "baggage,tracecontext")},
	{"OTEL_METRIC_EXPORT_INTERVAL", number},
	{"OTEL_METRIC_EXPORT_TIMEOUT", number},
	{"OTEL_BSP_SCHEDULE_DELAY", number},
	{"OTEL_BSP_EXPORT_TIMEOUT", number},
	{"OTEL_BSP_MAX_QUEUE_SIZE", number},
	{"OTEL_BSP_MAX_EXPORT_BATCH_SIZE", number},
}, slices.Concat(otlp(""), otlp("TRACES_"), otlp("METRICS_"))...)

// otlp returns the settings of a signal, or with "" the settings for all signals.
func otlp(signal string) []setting {
	prefix := "OTEL_EXPORTER_OTLP_" + signal
	return []setting{
		{prefix + "ENDPOINT", endpoint},
		{prefix + "PROTOCOL", protocol},
		{prefix + "COMPRESSION", oneOf("gzip", "none")},
		{prefix + "TIMEOUT", number},
		{prefix + "HEADERS", pairs},
		{prefix + "CERTIFICATE", certificates},
		{prefix + "CLIENT_CERTIFICATE", file},
		{prefix + "CLIENT_KEY", file},
	}
}

// CheckEnvironment returns an error that names each invalid OpenTelemetry variable.
func CheckEnvironment() error {
	var errs []error
	for _, s := range settings {
		value, _ := os.LookupEnv(s.name)
		if value == "" { // the same as unset
			continue
		}
		err := s.check(value)
		if err == nil {
			continue
		}
		shown := fmt.Sprintf(" %q", value)
		if strings.HasSuffix(s.name, "_HEADERS") { // headers contain keys
			shown = ""
		}
		errs = append(errs, fmt.Errorf("%s%s: want %w", s.name, shown, err))
	}
	return errors.Join(errs...)
}

// wanted reports whether a signal is sent anywhere. By default OpenTelemetry would send to
// localhost; a service without configuration sends nothing.
func wanted(signal string) bool {
	get := func(name string) string { value, _ := os.LookupEnv(name); return value }
	switch get("OTEL_" + signal + "_EXPORTER") {
	case "":
		return get("OTEL_SDK_DISABLED") != "true" &&
			get("OTEL_EXPORTER_OTLP_ENDPOINT")+get("OTEL_EXPORTER_OTLP_"+signal+"_ENDPOINT") != ""
	case "none":
		return false
	}
	return get("OTEL_SDK_DISABLED") != "true"
}

func oneOf(values ...string) func(string) error {
	return func(value string) error {
		if slices.Contains(values, value) {
			return nil
		}
		return errors.New(strings.Join(values[:len(values)-1], ", ") + " or " + values[len(values)-1])
	}
}

func protocol(value string) error {
	if value != "http/protobuf" {
		return errors.New("http/protobuf, which collectors receive on port 4318")
	}
	return nil
}

func number(value string) error {
	if n, err := strconv.Atoi(value); err != nil || n <= 0 {
		return errors.New("a whole number above 0")
	}
	return nil
}

func ratio(value string) error {
	if r, err := strconv.ParseFloat(value, 64); err != nil || r < 0 || r > 1 {
		return errors.New("a number from 0 to 1")
	}
	return nil
}

func endpoint(value string) error {
	if u, err := url.Parse(value); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return errors.New("http(s)://HOST[:PORT]")
	}
	return nil
}

func file(value string) error {
	if _, err := os.ReadFile(value); err != nil {
		return fmt.Errorf("a readable file: %w", err)
	}
	return nil
}

func certificates(value string) error {
	text, err := os.ReadFile(value)
	if err != nil {
		return fmt.Errorf("a readable file: %w", err)
	}
	if !x509.NewCertPool().AppendCertsFromPEM(text) {
		return errors.New("a file with PEM certificates")
	}
	return nil
}

func pairs(value string) error {
	for pair := range strings.SplitSeq(value, ",") {
		name, text, ok := strings.Cut(pair, "=")
		_, err := url.PathUnescape(text)
		if !ok || err != nil || !httpguts.ValidHeaderFieldName(strings.TrimSpace(name)) {
			return errors.New("name=value,… with values percent-encoded")
		}
	}
	return nil
}
