package odata

import (
	"math"
	"math/big"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Patterns of the literals that begin with a digit, a sign or a letter, longest first
// (ABNF, primitiveLiteral).
var (
	guidForm      = regexp.MustCompile(`^[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}`)
	dateTimeForm  = regexp.MustCompile(`^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]+)?)?([Zz]|[+-][0-9]{2}:[0-9]{2})?`)
	dateForm      = regexp.MustCompile(`^-?[0-9]{4,}-[0-9]{2}-[0-9]{2}`)
	timeOfDayForm = regexp.MustCompile(`^[0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,12})?)?`)
	doubleForm    = regexp.MustCompile(`^(-?INF\b|NaN\b|[+-]?[0-9]+(\.[0-9]+)?[Ee][+-]?[0-9]+)`)
	numberForm    = regexp.MustCompile(`^[+-]?[0-9]+(\.[0-9]+)?`)
	durationForm  = regexp.MustCompile(`^([+-])?P(?:([0-9]+)D)?(?:T(?:([0-9]+)H)?(?:([0-9]+)M)?(?:([0-9]+(?:\.[0-9]{1,12})?)S)?)?$`)
)

const (
	ticksPerDay = 24 * 60 * 60 * TicksPerSecond
	maxDigits   = 40 // in a number
)

// scanLiteral reads the literal at the start of text, if any, and returns its length. ok is
// false if it is well formed but out of range.
func scanLiteral(text string) (e *Expr, length int, ok bool) {
	for _, form := range []struct {
		form *regexp.Regexp
		read func(string) (*Expr, bool)
	}{
		{guidForm, func(s string) (*Expr, bool) { return literal(Guid, strings.ToLower(s)), true }},
		{dateTimeForm, readDateTime},
		{dateForm, readDate},
		{timeOfDayForm, readTimeOfDay},
		{doubleForm, readDouble},
		{numberForm, readNumber},
	} {
		if found := form.form.FindString(text); found != "" {
			e, ok := form.read(found)
			return e, len(found), ok
		}
	}
	return nil, 0, false
}

func literal(t Type, value any) *Expr { return &Expr{Op: "literal", Type: t, Value: value} }

func readDateTime(s string) (*Expr, bool) {
	t, ok := parseDateTimeOffset(s)
	return literal(DateTimeOffset, t), ok
}

func readDate(s string) (*Expr, bool) {
	t, err := time.Parse(time.DateOnly, s)
	return literal(Date, Ticks(t)), err == nil && t.Year() >= 1
}

func readTimeOfDay(s string) (*Expr, bool) {
	if len(s) == len("15:04") {
		s += ":00"
	}
	clock, fraction, ok := cutFraction("0001-01-01 " + s)
	if !ok {
		return nil, false
	}
	t, err := time.Parse("2006-01-02 15:04:05", clock)
	ticks := int64(t.Hour()*3600+t.Minute()*60+t.Second())*TicksPerSecond + int64(fraction/tick)
	return literal(TimeOfDay, ticks), err == nil && ticks < ticksPerDay
}

func readDouble(s string) (*Expr, bool) {
	f, err := strconv.ParseFloat(s, 64)
	return literal(Double, f), err == nil
}

// readNumber reads an integer, or a decimal if it has a fraction or is too large for an
// integer.
func readNumber(s string) (*Expr, bool) {
	s = strings.TrimPrefix(s, "+")
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return literal(Int64, n), true
	}
	return literal(Decimal, s), len(s) <= maxDigits
}

func formatDouble(f float64) string {
	switch {
	case math.IsInf(f, 1):
		return "INF"
	case math.IsInf(f, -1):
		return "-INF"
	case math.IsNaN(f):
		return "NaN"
	}
	return strconv.FormatFloat(f, 'e', -1, 64)
}

// parseDuration reads an Edm.Duration (ABNF, durationValue) to the tick.
func parseDuration(s string) (int64, bool) {
	m := durationForm.FindStringSubmatch(s)
	if m == nil || strings.HasSuffix(s, "P") || strings.HasSuffix(s, "T") {
		return 0, false
	}
	total := new(big.Rat)
	for i, unit := range []int64{ticksPerDay, 3600 * TicksPerSecond, 60 * TicksPerSecond, TicksPerSecond} {
		if part := m[i+2]; part != "" {
			if len(part) > maxDigits {
				return 0, false
			}
			n, _ := new(big.Rat).SetString(part)
			total.Add(total, n.Mul(n, new(big.Rat).SetInt64(unit)))
		}
	}
	ticks := new(big.Int).Quo(total.Num(), total.Denom())
	if m[1] == "-" {
		ticks.Neg(ticks)
	}
	return ticks.Int64(), ticks.IsInt64()
}

func formatDuration(ticks int64) string {
	sign := ""
	n := new(big.Int).SetInt64(ticks)
	if n.Sign() < 0 {
		sign = "-"
		n.Neg(n)
	}
	seconds := new(big.Rat).SetFrac(n, big.NewInt(TicksPerSecond)).FloatString(tickDigits)
	return sign + "PT" + strings.TrimSuffix(strings.TrimRight(seconds, "0"), ".") + "S"
}
