package odata

import (
	"strconv"
	"time"
)

// Edm.DateTimeOffset as .NET's DateTimeOffset, and so Microsoft Graph, represents it: steps
// of 100 ns from 0001-01-01T00:00:00Z to 9999-12-31T23:59:59.9999999Z, at most 14 hours
// from UTC, in whole minutes. https://learn.microsoft.com/dotnet/api/system.datetimeoffset
const (
	tick             = 100 * time.Nanosecond
	tickDigits       = 7
	maxFractionWidth = 12 // in the ABNF's fractionalSeconds
	maxOffset        = 14 * time.Hour
)

// ParseDateTimeOffset reads an Edm.DateTimeOffset literal (ABNF, dateTimeOffsetValue): a
// date, "T", a time with up to twelve fractional digits, and "Z" or the offset from UTC. It
// returns the time in that offset, rounded to the nearest 100 ns, ties to even, like .NET.
// It returns an *Error if the literal is malformed or out of range.
func ParseDateTimeOffset(literal string) (time.Time, error) {
	t, ok := parseDateTimeOffset(literal)
	if !ok {
		return time.Time{}, refuse("", "Cannot convert the literal '%s' to the expected type 'Edm.DateTimeOffset'.", literal)
	}
	return t, nil
}

// AppendDateTimeOffset appends the literal of t, in its own offset, to dst: with as many
// fractional digits as it needs, at most seven, and "Z" for UTC. It writes the same as
// time.Time.AppendFormat in a quarter of the time, because lists contain many dates.
func AppendDateTimeOffset(dst []byte, t time.Time) []byte {
	_, offset := t.Zone()
	return appendDateTimeOffset(dst, t, offset/60)
}

// AppendTicks appends the literal of an instant, which it takes in ticks (see Ticks) and
// with its offset in minutes east of UTC.
func AppendTicks(dst []byte, ticks int64, offset int16) []byte {
	if ticks == noTicks && offset == 0 { // the form of most unset dates
		return append(dst, "0001-01-01T00:00:00Z"...)
	}
	return appendDateTimeOffset(dst, utc(ticks+int64(offset)*60*TicksPerSecond), int(offset))
}

// noTicks is 0001-01-01T00:00:00Z.
const noTicks = -62_135_596_800 * TicksPerSecond

// Time returns the instant with a number of ticks (see Ticks), in a zone that is offset
// minutes east of UTC.
func Time(ticks int64, offset int16) time.Time {
	if offset == 0 {
		return utc(ticks)
	}
	return utc(ticks).In(time.FixedZone("", int(offset)*60))
}

func utc(ticks int64) time.Time {
	return time.Unix(ticks/TicksPerSecond, ticks%TicksPerSecond*int64(tick)).UTC()
}

// appendDateTimeOffset appends a time in its own zone and the zone's offset in minutes.
func appendDateTimeOffset(dst []byte, t time.Time, offset int) []byte {
	year, month, day := t.Date()
	hour, minute, second := t.Clock()
	dst = appendPair(appendPair(dst, year/100), year%100)
	dst = appendPair(append(dst, '-'), int(month))
	dst = appendPair(append(dst, '-'), day)
	dst = appendPair(append(dst, 'T'), hour)
	dst = appendPair(append(dst, ':'), minute)
	dst = appendPair(append(dst, ':'), second)
	if fraction := t.Nanosecond() / int(tick); fraction > 0 {
		dst = append(dst, '.', byte('0'+fraction/1e6))
		dst = appendPair(appendPair(appendPair(dst, fraction/1e4%100), fraction/100%100), fraction%100)
		for dst[len(dst)-1] == '0' {
			dst = dst[:len(dst)-1]
		}
	}
	if offset == 0 {
		return append(dst, 'Z')
	}
	sign := byte('+')
	if offset < 0 {
		sign, offset = '-', -offset
	}
	dst = appendPair(append(dst, sign), offset/60)
	return appendPair(append(dst, ':'), offset%60)
}

// appendPair appends a number below 100 in two digits.
func appendPair(dst []byte, n int) []byte { return append(dst, byte('0'+n/10), byte('0'+n%10)) }

func parseDateTimeOffset(s string) (time.Time, bool) {
	clock, zone, ok := cutZone(s)
	if !ok {
		return time.Time{}, false
	}
	clock, fraction, ok := cutFraction(clock)
	if !ok {
		return time.Time{}, false
	}
	if len(clock) == len("2006-01-02T15:04") && fraction == 0 {
		clock += ":00"
	}
	if len(clock) != len("2006-01-02T15:04:05") || clock[10]|0x20 != 't' {
		return time.Time{}, false
	}
	t, err := time.ParseInLocation("2006-01-02 15:04:05", clock[:10]+" "+clock[11:], zone)
	if err != nil {
		return time.Time{}, false
	}
	t = t.Add(fraction)
	utc := t.UTC()
	return t, utc.Year() >= 1 && utc.Year() <= 9999 && t.Year() >= 1 && t.Year() <= 9999
}

// cutZone splits off the offset at the end.
func cutZone(s string) (clock string, zone *time.Location, ok bool) {
	if n := len(s) - 1; n > 0 && s[n]|0x20 == 'z' {
		return s[:n], time.UTC, true
	}
	n := len(s) - len("+00:00")
	if n < 0 || s[n+3] != ':' || s[n] != '+' && s[n] != '-' {
		return "", nil, false
	}
	hours, okHours := digits(s[n+1 : n+3])
	minutes, okMinutes := digits(s[n+4:])
	offset := time.Duration(hours)*time.Hour + time.Duration(minutes)*time.Minute
	if !okHours || !okMinutes || minutes > 59 || offset > maxOffset {
		return "", nil, false
	}
	if s[n] == '-' {
		offset = -offset
	}
	if offset == 0 {
		return s[:n], time.UTC, true
	}
	return s[:n], time.FixedZone("", int(offset/time.Second)), true
}

// cutFraction splits off the fraction of a second at the end and rounds it to whole ticks.
func cutFraction(s string) (clock string, fraction time.Duration, ok bool) {
	const point = len("2006-01-02T15:04:05")
	if len(s) <= point {
		return s, 0, true
	}
	text := s[point+1:]
	n, ok := digits(text)
	if s[point] != '.' || !ok || len(text) > maxFractionWidth {
		return "", 0, false
	}
	for i := len(text); i < tickDigits; i++ {
		n *= 10
	}
	unit := int64(1)
	for i := tickDigits; i < len(text); i++ {
		unit *= 10
	}
	whole, rest := n/unit, n%unit
	if 2*rest > unit || 2*rest == unit && whole%2 == 1 {
		whole++
	}
	return s[:point], time.Duration(whole) * tick, true
}

// digits reads a number that consists of one or more digits.
func digits(s string) (int64, bool) {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
	}
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil
}
