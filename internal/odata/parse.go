package odata

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Limits on an expression.
const (
	maxExpression = 8 << 10 // bytes, counting each use of a parameter alias as the alias's value
	maxDepth      = 100     // of nesting
	maxNodes      = 1000    // operators, functions, literals, properties

	// Links repeat a query as String writes it, with every parenthesis. That is longer by
	// less than this factor, so a query that is accepted for the first page is accepted for
	// the next ones.
	writtenOut = 6
)

// operators are the binary operators with their precedence (URL Conventions 5.1.1.17).
// Operators of equal precedence are left-associative.
var operators = map[string]int{
	"or": 1, "and": 2, "eq": 3, "ne": 3, "gt": 4, "ge": 4, "lt": 4, "le": 4,
	"add": 5, "sub": 5, "mul": 6, "div": 6, "divby": 6, "mod": 6,
}

// Operators lists the supported operators as they occur in Expr.Op.
func Operators() []string {
	return slices.Sorted(func(yield func(string) bool) {
		for op := range operators {
			if !yield(op) {
				return
			}
		}
		_ = yield("has") && yield("in") && yield("not") && yield("neg")
	})
}

// parser reads an expression and binds it to the resource.
type parser struct {
	option   string // the option whose value is read
	text     string
	at       int // the next byte
	resource Resource
	aliases  map[string]string // values of parameter aliases, by name with @
	linked   bool              // a link repeats the query
	bytes    int               // read so far, including those of aliases
	nesting  int
	nodes    int

	variables []variable // of the collections whose items are looked at
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
		return refuse(p.option, "The value of %s has %d bytes; at most %d are allowed.", p.option, len(p.text), most)
	}
	if p.bytes += len(p.text); p.bytes > most {
		return refuse(p.option, "With each parameter alias replaced by its value, the expression that uses %s has more than %d bytes. Use it less often, or shorten its value.", p.option, most)
	}
	if !utf8.ValidString(p.text) || strings.ContainsRune(p.text, 0) {
		return refuse(p.option, "The value of %s is not valid UTF-8 text.", p.option)
	}
	return nil
}

// whole reads one expression up to the end of the text.
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

// expression reads operators with at least the given precedence.
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

// unary reads "not", "-" and their operand.
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

// postfix reads "in" and "has", which follow their first operand.
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
		p.word()
		return p.has(x, wordAt)
	}
	p.at = at
	return x, nil
}

// has reads the members after "has" (URL Conventions 5.1.1.1.9).
func (p *parser) has(x *Expr, at int) (*Expr, error) {
	if x.Type != Enum || !x.Enum.Flags {
		return nil, p.failAt(at, "The operator 'has' takes an enumeration with flags, and its left operand has the type '%s'", x.typeName())
	}
	if !p.space() {
		return nil, p.fail("Expected white space around the operator 'has'")
	}
	members, err := p.primary()
	if err != nil {
		return nil, err
	}
	if members.Op != "literal" || members.Type == Null {
		return nil, p.failAt(at, "Expected members of '%s' after 'has'", x.Enum.Name)
	}
	return p.binary("has", at, x, members)
}

// list reads the values after "in" (URL Conventions 5.1.1.1.12).
func (p *parser) list(x *Expr, at int) (*Expr, error) {
	if !p.take('(') {
		return nil, p.fail("Expected a list in parentheses after 'in'")
	}
	in := &Expr{Op: "in", Type: Boolean, Args: []*Expr{x}}
	if p.space(); p.take(')') { // an empty list
		return p.node(in)
	}
	for {
		p.space()
		item, err := p.primary()
		if err != nil {
			return nil, err
		}
		if item.Op != "literal" {
			return nil, p.fail("Expected a literal in the list after 'in'")
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

// primary reads a literal, a property, a function, an alias, or an expression in
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
	if v, ok := p.variable(word); ok {
		return p.value(&Expr{Op: "variable", Name: v.name}, v.item, at)
	}
	switch strings.ToLower(word) {
	case "null":
		return p.node(literal(Null, nil))
	case "true", "false":
		return p.node(literal(Boolean, strings.EqualFold(word, "true")))
	case "$it":
		if !p.take('/') {
			return nil, p.failAt(at, "Expected a property after '$it'")
		}
		at = p.at
		word = p.word()
	}
	q, ok := p.resource.property(word)
	if !ok {
		return nil, p.failAt(at, "Could not find a property named '%s' on type '%s'", word, p.resource.Type)
	}
	if q.Collection {
		return p.lambda(q, at)
	}
	return p.value(&Expr{Op: "property", Name: q.Name}, q, at)
}

// value reads the rest of what begins with e, which has the values of q: the path to a member of
// a complex value (complexPathExpr of the ABNF), or nothing.
func (p *parser) value(e *Expr, q Property, at int) (*Expr, error) {
	for len(q.Members) > 0 && p.take('/') {
		at = p.at
		word := p.word()
		i := slices.IndexFunc(q.Members, func(m Property) bool { return strings.EqualFold(m.Name, word) })
		if i < 0 {
			return nil, p.failAt(at, "Could not find a property named '%s' on the complex value '%s'", word, q.Name)
		}
		q = q.Members[i]
		e = &Expr{Op: "member", Name: q.Name, Args: []*Expr{e}}
	}
	switch {
	case q.SelectOnly:
		return nil, p.failAt(at, "The value of '%s' is not one that expressions take here", q.Name)
	case len(q.Members) > 0:
		return nil, p.failAt(at, "'%s' has complex values, of which expressions take only members, as in '%[1]s/%s'", q.Name, q.Members[0].Name)
	case p.peek('/'):
		return nil, p.fail("The property '%s' is not a collection and has no properties of its own", q.Name)
	}
	e.Type, e.Enum = q.Type, q.Enum
	return p.node(e)
}

// typed reads a literal prefixed by its type.
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

// member returns the literal of the member with this name or value, or of several members.
func (t *EnumType) member(s string) (*Expr, bool) {
	if t.Flags {
		sum, ok := t.sum(s)
		return &Expr{Op: "literal", Type: Enum, Enum: t, Value: sum}, ok
	}
	for i, name := range t.Members {
		if s == name || s == fmt.Sprint(t.Value(i)) {
			return &Expr{Op: "literal", Type: Enum, Enum: t, Value: name}, true
		}
	}
	return nil, false
}

// alias reads a parameter alias (URL Conventions 5.1.1.15). An alias without a value is
// null. Its value is an expression that uses no alias.
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

// quoted reads a string, in which a quote is doubled.
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

// node counts the expression's nodes and refuses too many.
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

// space skips white space and reports whether there was any. The standard allows spaces and
// tabs (ABNF, RWS). Scripts also send the line ends of a here-string, and the no-break
// spaces of a page from which they were copied; Graph treats them as white space too.
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

// wordByte reports whether a word can continue, or begin, here.
func (p *parser) wordByte() bool {
	if p.at == len(p.text) {
		return false
	}
	c := p.text[p.at]
	if c >= utf8.RuneSelf {
		r, _ := utf8.DecodeRuneInString(p.text[p.at:]) // RuneError in the middle of a character
		return !unicode.IsSpace(r)
	}
	switch {
	case c >= '0' && c <= '9':
		return true
	case c|0x20 >= 'a' && c|0x20 <= 'z':
		return true
	}
	return c == '_' || c == '.' || c == '$'
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

// syntax returns the error for an unexpected token.
func (p *parser) syntax() error { return p.fail("Syntax error") }

func (p *parser) fail(format string, args ...any) error { return p.failAt(p.at, format, args...) }

// failAt returns an error with its position and the text found there.
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
