package db

import "time"

// SplitTime takes an Edm.DateTimeOffset apart into the three columns in which
// it is kept: the instant cut to the microsecond, the digit of 100 ns behind
// it, and the minutes east of UTC.
func SplitTime(t time.Time) (at time.Time, hundredNs, offset int16) {
	_, seconds := t.Zone()
	at = t.UTC().Truncate(time.Microsecond)
	return at, int16(t.Nanosecond() % 1000 / 100), int16(seconds / 60)
}

// JoinTime is the reverse of SplitTime.
func JoinTime(at time.Time, hundredNs, offset int16) time.Time {
	zone := time.UTC
	if offset != 0 {
		zone = time.FixedZone("", int(offset)*60)
	}
	return at.Add(time.Duration(hundredNs) * 100 * time.Nanosecond).In(zone)
}
