package odata_test

import (
	"testing"
	"time"

	"github.com/mocktenant/mocktenant/internal/odata"
)

func TestParseDateTimeOffset(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ literal, want string }{
		// The example of the "Create remoteAssistancePartner" page of Graph's documentation.
		{"2016-12-31T23:58:36.6670033-08:00", "2016-12-31T23:58:36.6670033-08:00"},
		// What Graph's SDKs send for that instant.
		{"2016-12-31T23:58:36-08:00", "2016-12-31T23:58:36-08:00"},
		{"2017-01-01T07:58:36.667Z", "2017-01-01T07:58:36.667Z"},
		{"2017-01-01T07:58:36.667003+00:00", "2017-01-01T07:58:36.667003Z"},
		{"2017-01-01T07:58:36.667003300Z", "2017-01-01T07:58:36.6670033Z"},
		// Trailing zeros are dropped, as in Graph.
		{"2025-08-20T12:15:36.9248640Z", "2025-08-20T12:15:36.924864Z"},
		{"2025-08-20T12:15:36.0000000Z", "2025-08-20T12:15:36Z"},
		// More than seven digits round to the nearest 100 ns, ties to even.
		{"2020-01-01T00:00:00.00000014Z", "2020-01-01T00:00:00.0000001Z"},
		{"2020-01-01T00:00:00.00000016Z", "2020-01-01T00:00:00.0000002Z"},
		{"2020-01-01T00:00:00.00000005Z", "2020-01-01T00:00:00Z"},
		{"2020-01-01T00:00:00.00000015Z", "2020-01-01T00:00:00.0000002Z"},
		{"2020-01-01T00:00:00.000000150001Z", "2020-01-01T00:00:00.0000002Z"},
		{"2019-12-31T23:59:59.99999999Z", "2020-01-01T00:00:00Z"},
		// The bounds.
		{"0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"},
		{"9999-12-31T23:59:59.9999999Z", "9999-12-31T23:59:59.9999999Z"},
		{"2020-02-29T12:00:00+14:00", "2020-02-29T12:00:00+14:00"},
		{"2020-02-29T12:00:00-14:00", "2020-02-29T12:00:00-14:00"},
		{"2020-02-29T12:00:00+05:45", "2020-02-29T12:00:00+05:45"},
		{"2020-02-29T12:00:00-00:59", "2020-02-29T12:00:00-00:59"},
		// The ABNF makes seconds optional and ignores letter case.
		{"2020-02-29T12:00Z", "2020-02-29T12:00:00Z"},
		{"2020-02-29t12:00:01z", "2020-02-29T12:00:01Z"},
		{"2020-02-29T12:00:00-00:00", "2020-02-29T12:00:00Z"},
	} {
		got, err := odata.ParseDateTimeOffset(tt.literal)
		if err != nil {
			t.Errorf("ParseDateTimeOffset(%q): %v", tt.literal, err)
			continue
		}
		if text := string(odata.AppendDateTimeOffset(nil, got)); text != tt.want {
			t.Errorf("ParseDateTimeOffset(%q) = %s, want %s", tt.literal, text, tt.want)
		}
	}
}

func TestParseDateTimeOffsetRefuses(t *testing.T) {
	t.Parallel()
	for _, literal := range []string{
		"", "Z", "T", "now", "2020-01-01", "2020-01-01Z", "12:00:00Z",
		"2020-01-01T00:00:00", "2016-12-31T23:58:36.6670033", // no offset
		"2020-01-01 00:00:00Z", "2020-01-01T00:00:00 Z", " 2020-01-01T00:00:00Z", "2020-01-01T00:00:00Z ",
		"2020-01-01T00:00:00.Z", "2020-01-01T00:00:00,5Z", "2020-01-01T00:00.5Z", "2020-01-01T00:00:00.1234567890123Z",
		"2020-1-01T00:00:00Z", "2020-01-1T00:00:00Z", "2020-01-01T0:00:00Z", "20-01-01T00:00:00Z", "12020-01-01T00:00:00Z",
		"2020-13-01T00:00:00Z", "2020-00-01T00:00:00Z", "2020-01-32T00:00:00Z", "2021-02-29T00:00:00Z",
		"2020-01-01T24:00:00Z", "2020-01-01T00:60:00Z", "2016-12-31T23:59:60Z",
		"2020-01-01T00:00:00+14:01", "2020-01-01T00:00:00+15:00", "2020-01-01T00:00:00+00:60", "2020-01-01T00:00:00+0100",
		"2020-01-01T00:00:00+01", "2020-01-01T00:00:00+1:00", "2020-01-01T00:00:00+aa:00", "2020-01-01T00:00:00+-1:00",
		"2020-01-01T00:00:00Z[Europe/Paris]", "2020-01-01T00:00:00+02:00[Europe/Paris]", "2020-01-01T00:00:00.-1Z", "-001-01-01T00:00:00Z",
		"0000-12-31T23:59:59Z", "0001-01-01T00:00:00+00:01", "9999-12-31T23:59:59-00:01", "9999-12-31T23:59:59.99999999Z",
		"/Date(1325376000000)/",
	} {
		if got, err := odata.ParseDateTimeOffset(literal); err == nil {
			t.Errorf("ParseDateTimeOffset(%q) = %s, want an error", literal, got)
		}
	}
}

// An accepted literal is a whole number of ticks in range, and the formatted literal reads
// back as the same instant with the same offset.
func FuzzParseDateTimeOffset(f *testing.F) {
	for _, seed := range []string{"2016-12-31T23:58:36.6670033-08:00", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.99999995Z", "2020-02-29T12:00+14:00", "2020-01-01T00:00:00.123456789012z"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, literal string) {
		parsed, err := odata.ParseDateTimeOffset(literal)
		if err != nil {
			return
		}
		if parsed.Nanosecond()%100 != 0 {
			t.Errorf("%q has %d ns", literal, parsed.Nanosecond())
		}
		text := string(odata.AppendDateTimeOffset(nil, parsed))
		again, err := odata.ParseDateTimeOffset(text)
		if err != nil || !again.Equal(parsed) {
			t.Fatalf("%q became %q, which reads as %s, %v", literal, text, again, err)
		}
		_, want := parsed.Zone()
		if _, offset := again.Zone(); offset != want {
			t.Errorf("%q: offset %d became %d", literal, want, offset)
		}
		// If Go's own parser accepts the literal, both agree to the tick.
		if std, err := time.Parse(time.RFC3339Nano, literal); err == nil && std.Sub(parsed).Abs() > 100*time.Nanosecond {
			t.Errorf("%q: got %s, package time says %s", literal, parsed, std)
		}
	})
}

// A literal is the same as package time would write it, from a time and from its ticks.
func FuzzAppendDateTimeOffset(f *testing.F) {
	f.Add(int64(0), int64(0), int16(0))
	f.Add(int64(-62135596800), int64(100), int16(-840))
	f.Add(int64(253402300799), int64(999999900), int16(840))
	f.Add(int64(1483257516), int64(667003300), int16(-479))
	f.Add(int64(1483257516), int64(667003399), int16(0))
	f.Add(int64(-1), int64(999999900), int16(1))
	// The first instant has a case of its own; these are it, its neighbours, and its opposite.
	f.Add(int64(-62135596800), int64(0), int16(0))
	f.Add(int64(-62135596800), int64(0), int16(1))
	f.Add(int64(-62135596800), int64(100), int16(0))
	f.Add(int64(62135596800), int64(0), int16(0))
	f.Add(int64(-1), int64(999378700), int16(0)) // its seconds as ticks
	f.Fuzz(func(t *testing.T, seconds, nanoseconds int64, offset int16) {
		at := time.Unix(seconds, nanoseconds).In(time.FixedZone("", int(offset)*60))
		if at.Year() < 1 || at.Year() > 9999 || offset < -840 || offset > 840 {
			return
		}
		want := at.Format("2006-01-02T15:04:05.9999999Z07:00")
		if got := string(odata.AppendDateTimeOffset([]byte("x"), at)); got != "x"+want {
			t.Errorf("got %q, want %q", got, want)
		}
		ticks := odata.Ticks(at)
		if got := string(odata.AppendTicks([]byte("x"), ticks, offset)); got != "x"+want {
			t.Errorf("from ticks: got %q, want %q", got, want)
		}
		if got := odata.Time(ticks, offset).Format(time.RFC3339Nano); got != at.Truncate(100*time.Nanosecond).Format(time.RFC3339Nano) {
			t.Errorf("the ticks of %s are %s", want, got)
		}
	})
}

func BenchmarkAppendDateTimeOffset(b *testing.B) {
	at, err := odata.ParseDateTimeOffset("2016-12-31T23:58:36.6670033-08:00")
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for text := []byte(nil); b.Loop(); {
		text = odata.AppendDateTimeOffset(text[:0], at)
	}
}

func BenchmarkParseDateTimeOffset(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := odata.ParseDateTimeOffset("2016-12-31T23:58:36.6670033-08:00"); err != nil {
			b.Fatal(err)
		}
	}
}
