package odata

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Limits of an expression.
const (
	maxExpression = 8 << 10 // bytes, each use of a parameter alias counted as what it is the name of
	maxDepth      = 100     // of nesting
	maxNodes      = 1000    // operators, functions, literals, properties

	// A link repeats a query as String writes it: with every parenthesis, and longer by
	// less than this factor. So what a first page takes, the next ones take.
	writtenOut = 6
)

// operators are the binary ones, by how strongly they bind (URL Conventions
// 5.1.1.17). What binds as strongly is read from the left.
var operators = map[string]int{
	"or": 1, "and": 2, "eq": 3, "ne": 3, "gt": 4, "ge": 4, "lt": 4, "le": 4,
	"add": 5, "sub": 5, "mul": 6, "div": 6, "divby": 6, "mod": 6,
}

// Operators lists the operators that can be used, by the Op that an Expr has for them.
func Operators() []string {
	return slices.Sorted(func(yield func(string) bool) {
		for op := range operators {
			if !yield(op) {
				return
			}
		}
		_ = yield("in") && yield("not") && yield("neg")
	})
}

// parser reads an expression, binding it to the resource as it goes.
type parser struct {
	option   string // which it is the value of
	text     string
	at       int // the next byte
	resource Resource
	aliases  map[string]string // values of parameter aliases, by name with @
	linked   bool              // a link repeats the query
	bytes    int               // that were read, those of aliases too
	nesting  int
	nodes    int
}

// parseFilter reads the value of $filter (URL Conventions 5.1.3).
func (p *parser) parseFilter(text string) (*Expr, error) {
	p.option, p.text = Filter, text
	e, err := p.whole()
	if err != nil {
		return nil, err
	}
	if e.Type != Boolean && e.Type != Null {
		return nil, refuse(Filter, "The $filter expression must evaluate to a Boolean value; '%s' is of type %s.", text, e.typeName())
	}
	return e, nil
}

// parseOrderBy reads the value of $orderby (URL Conventions 5.1.4).
func (p *parser) parseOrderBy(text string) ([]Key, error) {
	p.option, p.text = OrderBy, text
	if err := p.start(); err != nil {
		return nil, err
	}
	var keys []Key
	for {
		e, err := p.expression(1)
		if err != nil {
			return nil, err
		}
		key := Key{Expr: e}
		switch word := strings.ToLower(p.peekWord()); word {
		case "asc", "desc":
			p.space()
			p.word()
			key.Descending = word == "desc"
		}
		keys = append(keys, key)
		p.space()
		if p.at == len(p.text) {
			return keys, nil
		}
		if !p.take(',') {
			return nil, p.syntax()
		}
		if len(keys) == maxKeys {
			return nil, refuse(OrderBy, "$orderby takes at most %d keys.", maxKeys)
		}
	}
}

const maxKeys = 8

func (p *parser) start() error {
	most := maxExpression
	if p.linked {
		most *= writtenOut
	}
	if len(p.text) > most {
		return refuse(p.option, "The value of %s has %d bytes; at most %d are taken.", p.option, len(p.text), most)
	}
	if p.bytes += len(p.text); p.bytes > most {
		return refuse(p.option, "With each parameter alias replaced by its value, the expression that uses %s has more than %d bytes. Use it less often, or shorten its value.", p.option, most)
	}
	if !utf8.ValidString(p.text) || strings.ContainsRune(p.text, 0) {
		return refuse(p.option, "The value of %s is not valid UTF-8 text.", p.option)
	}
	return nil
}

// whole reads one expression to the end.
func (p *parser) whole() (*Expr, error) {
	if err := p.start(); err != nil {
		return nil, err
	}
	e, err := p.expression(1)
	if err != nil {
		return nil, err
	}
	if p.space(); p.at < len(p.text) {
		return nil, p.syntax()
	}
	return e, nil
}

// expression reads operators that bind at least as strongly as level.
func (p *parser) expression(level int) (*Expr, error) {
	left, err := p.unary()
	if err != nil {
		return nil, err
	}
	for {
		at := p.at
		spaced := p.space()
		word := p.peekWord()
		strength, ok := operators[strings.ToLower(word)]
		if !ok || strength < level {
			p.at = at
			return left, nil
		}
		wordAt := p.at
		p.word()
		if !spaced || !p.space() {
			p.at = wordAt
			return nil, p.fail("Expected white space around the operator '%s'", word)
		}
		right, err := p.expression(strength + 1)
		if err != nil {
			return nil, err
		}
		if left, err = p.binary(strings.ToLower(word), wordAt, left, right); err != nil {
			return nil, err
		}
	}
}

// unary reads "not", "-" and what they stand before.
func (p *parser) unary() (*Expr, error) {
	most := maxDepth
	if p.linked { // at most two levels for each node, see String
		most = 2 * maxNodes
	}
	if p.nesting++; p.nesting > most {
		return nil, p.fail("The expression nests deeper than %d levels", most)
	}
	defer func() { p.nesting-- }()
	p.space()
	at := p.at
	switch {
	case strings.EqualFold(p.peekWord(), "not"):
		p.word()
		if spaced := p.space(); !spaced && !p.peek('(') {
			return nil, p.syntax()
		}
		x, err := p.unary()
		if err != nil {
			return nil, err
		}
		if x.Type != Boolean && x.Type != Null {
			return nil, p.failAt(at, "A unary operator with an incompatible type was detected. Found operand type '%s' for operator 'not'; parentheses may be missing", x.typeName())
		}
		return p.node(&Expr{Op: "not", Type: Boolean, Args: []*Expr{x}})
	case p.peek('-') && !p.literalAhead():
		p.at++
		x, err := p.unary()
		if err != nil {
			return nil, err
		}
		if !x.Type.numeric() && x.Type != Duration && x.Type != Null {
			return nil, p.failAt(at, "A unary operator with an incompatible type was detected. Found operand type '%s' for operator '-'", x.typeName())
		}
		return p.node(&Expr{Op: "neg", Type: x.Type, Args: []*Expr{x}})
	}
	x, err := p.primary()
	if err != nil {
		return nil, err
	}
	return p.postfix(x)
}

// postfix reads "in" and "has" behind what they belong to.
func (p *parser) postfix(x *Expr) (*Expr, error) {
	at := p.at
	spaced := p.space()
	wordAt := p.at
	switch word := strings.ToLower(p.peekWord()); {
	case word == "in" && spaced:
		p.word()
		p.space()
		return p.list(x, wordAt)
	case word == "has" && spaced:
		return nil, p.fail("The operator 'has' is not supported: no enumeration of this resource has flags")
	}
	p.at = at
	return x, nil
}

// list reads the values behind "in" (URL Conventions 5.1.1.1.12).
func (p *parser) list(x *Expr, at int) (*Expr, error) {
	if !p.take('(') {
		return nil, p.fail("Expected a list in parentheses behind 'in'")
	}
	in := &Expr{Op: "in", Type: Boolean, Args: []*Expr{x}}
	if p.space(); p.take(')') { // nothing is in it
		return p.node(in)
	}
	for {
		p.space()
		item, err := p.primary()
		if err != nil {
			return nil, err
		}
		if item.Op != "literal" {
			return nil, p.fail("Expected a literal in the list behind 'in'")
		}
		pair, err := p.binary("eq", at, x, item)
		if err != nil {
			return nil, err
		}
		x = pair.Args[0]
		in.Args = append(in.Args, pair.Args[1])
		p.space()
		if p.take(')') {
			in.Args[0] = x
			return p.node(in)
		}
		if !p.take(',') {
			return nil, p.syntax()
		}
	}
}

// primary reads a literal, a property, a function, an alias, or what stands in
// parentheses.
func (p *parser) primary() (*Expr, error) {
	at := p.at
	switch {
	case p.at == len(p.text):
		return nil, p.fail("Expression expected")
	case p.take('('):
		e, err := p.expression(1)
		if err != nil {
			return nil, err
		}
		if p.space(); !p.take(')') {
			return nil, p.fail("Expected ')'")
		}
		return e, nil
	case p.peek('\''):
		s, err := p.quoted()
		if err != nil {
			return nil, err
		}
		return p.node(literal(String, s))
	case p.peek('@'):
		return p.alias()
	}
	if e, length, ok := scanLiteral(p.text[p.at:]); length > 0 {
		if p.at += length; !ok || p.wordByte() {
			return nil, p.failAt(at, "The literal '%s' is not valid", p.text[at:p.at])
		}
		return p.node(e)
	}
	word := p.word()
	if word == "" {
		return nil, p.syntax()
	}
	return p.named(word, at)
}

// named reads what begins with a word.
func (p *parser) named(word string, at int) (*Expr, error) {
	switch {
	case p.peek('\''):
		return p.typed(word, at)
	case p.peek('('):
		return p.function(word, at)
	}
	switch strings.ToLower(word) {
	case "null":
		return p.node(literal(Null, nil))
	case "true", "false":
		return p.node(literal(Boolean, strings.EqualFold(word, "true")))
	case "$it":
		if !p.take('/') {
			return nil, p.failAt(at, "Expected a property behind '$it'")
		}
		at = p.at
		word = p.word()
	}
	q, ok := p.resource.property(word)
	if !ok {
		return nil, p.failAt(at, "Could not find a property named '%s' on type '%s'", word, p.resource.Type)
	}
	if p.peek('/') {
		return nil, p.fail("The property '%s' is no collection and has no properties of its own", word)
	}
	return p.node(&Expr{Op: "property", Type: q.Type, Enum: q.Enum, Name: q.Name})
}

// typed reads a literal whose type is named before it.
func (p *parser) typed(name string, at int) (*Expr, error) {
	s, err := p.quoted()
	if err != nil {
		return nil, err
	}
	if strings.EqualFold(name, "duration") {
		ticks, ok := parseDuration(s)
		if !ok {
			return nil, p.failAt(at, "The literal '%s' is not valid", p.text[at:p.at])
		}
		return p.node(literal(Duration, ticks))
	}
	for _, q := range p.resource.Properties {
		if q.Enum == nil || name != q.Enum.Name && name != "graph."+q.Enum.Name[strings.LastIndex(q.Enum.Name, ".")+1:] {
			continue
		}
		e, ok := q.Enum.member(s)
		if !ok {
			return nil, p.failAt(at, "The string '%s' is not a valid enumeration type constant of '%s'", s, q.Enum.Name)
		}
		return p.node(e)
	}
	return nil, p.failAt(at, "The type '%s' of a literal is not known", name)
}

// member is the literal of a member by its name or its value.
func (t *EnumType) member(s string) (*Expr, bool) {
	for i, name := range t.Members {
		if s == name || s == fmt.Sprint(i) {
			return &Expr{Op: "literal", Type: Enum, Enum: t, Value: name}, true
		}
	}
	return nil, false
}

// alias reads a parameter alias (URL Conventions 5.1.1.15): one that was given
// no value is null. Its value is an expression that uses no alias.
func (p *parser) alias() (*Expr, error) {
	at := p.at
	p.at++
	name := "@" + p.word()
	if name == "@" {
		return nil, p.failAt(at, "Expected a name behind '@'")
	}
	if p.aliases == nil {
		return nil, p.failAt(at, "The value of a parameter alias can't use another")
	}
	text, ok := p.aliases[name]
	if !ok {
		return p.node(literal(Null, nil))
	}
	inner := &parser{option: name, text: text, resource: p.resource, linked: p.linked, bytes: p.bytes, nesting: p.nesting, nodes: p.nodes}
	e, err := inner.whole()
	p.bytes, p.nodes = inner.bytes, inner.nodes
	return e, err
}

// quoted reads a string; a quote in it is doubled.
func (p *parser) quoted() (string, error) {
	at := p.at
	var b strings.Builder
	for rest := p.text[p.at+1:]; ; {
		i := strings.IndexByte(rest, '\'')
		if i < 0 {
			return "", p.failAt(at, "There is an unterminated string literal")
		}
		b.WriteString(rest[:i])
		rest = rest[i+1:]
		if !strings.HasPrefix(rest, "'") {
			p.at = len(p.text) - len(rest)
			return b.String(), nil
		}
		b.WriteByte('\'')
		rest = rest[1:]
	}
}

// node counts an expression, which is bounded.
func (p *parser) node(e *Expr) (*Expr, error) {
	if p.nodes++; p.nodes > maxNodes {
		return nil, p.fail("The expression has more than %d operators and operands", maxNodes)
	}
	return e, nil
}

func (p *parser) peek(c byte) bool { return p.at < len(p.text) && p.text[p.at] == c }

func (p *parser) take(c byte) bool {
	if !p.peek(c) {
		return false
	}
	p.at++
	return true
}

// space passes over white space and tells whether there was any. The standard knows
// spaces and tabs (ABNF, RWS). Scripts also send the line ends of a here-string and the
// no-break spaces of a page they were copied from, which Graph takes for what they mean.
func (p *parser) space() bool {
	at := p.at
	for {
		r, size := utf8.DecodeRuneInString(p.text[p.at:])
		if !unicode.IsSpace(r) {
			return p.at > at
		}
		p.at += size
	}
}

// wordByte tells whether a word may go on here, or begin.
func (p *parser) wordByte() bool {
	if p.at == len(p.text) {
		return false
	}
	c := p.text[p.at]
	if c >= utf8.RuneSelf {
		r, _ := utf8.DecodeRuneInString(p.text[p.at:]) // RuneError within a character
		return !unicode.IsSpace(r)
	}
	return c == '_' || c == '.' || c == '$' || c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z'
}

// word reads letters, digits, "_", "$" and ".": a name, qualified or not.
func (p *parser) word() string {
	at := p.at
	for p.wordByte() {
		p.at++
	}
	return p.text[at:p.at]
}

func (p *parser) peekWord() string {
	at := p.at
	p.space()
	word := p.word()
	p.at = at
	return word
}

func (p *parser) literalAhead() bool {
	_, length, _ := scanLiteral(p.text[p.at:])
	return length > 0
}

// syntax is the error of something that doesn't belong where it stands.
func (p *parser) syntax() error { return p.fail("Syntax error") }

func (p *parser) fail(format string, args ...any) error { return p.failAt(p.at, format, args...) }

// failAt is an error at a position, which it names with what stands there.
func (p *parser) failAt(at int, format string, args ...any) error {
	rest := []rune(p.text[min(at, len(p.text)):])
	if len(rest) > 20 {
		rest = append(rest[:20], '…')
	}
	where := fmt.Sprintf(" at position %d, before '%s'.", at, string(rest))
	if len(rest) == 0 {
		where = fmt.Sprintf(" at position %d, the end.", at)
	}
	return refuse(p.option, "%s", "Invalid "+strings.TrimPrefix(p.option, "$")+" clause: "+fmt.Sprintf(format, args...)+where)
}

func (e *Expr) typeName() string {
	if e.Type == Enum {
		return e.Enum.Name
	}
	return e.Type.String()
}
