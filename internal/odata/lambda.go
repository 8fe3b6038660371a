package odata

import (
	"slices"
	"strings"
)

// Lambdas lists the operators over collections, as they occur in Expr.Op.
func Lambdas() []string { return []string{"all", "any"} }

// lambda reads what follows a collection: "/any()", "/any(x:…)" or "/all(x:…)" (URL Conventions
// 5.1.1.13).
func (p *parser) lambda(q Property, at int) (*Expr, error) {
	if !p.take('/') {
		return nil, p.failAt(at, "The property '%s' is a collection; write '%[1]s/any(x:…)' or '%[1]s/all(x:…)'", q.Name)
	}
	at = p.at
	op := strings.ToLower(p.word())
	if !slices.Contains(Lambdas(), op) || !p.take('(') {
		return nil, p.failAt(at, "Expected 'any(' or 'all(' after the collection '%s'", q.Name)
	}
	e := &Expr{Op: op, Type: Boolean, Name: q.Name}
	if p.space(); op == "any" && p.take(')') {
		return p.node(e)
	}
	name, err := p.declare(q)
	if err != nil {
		return nil, err
	}
	at = p.at
	body, err := p.expression(1)
	p.variables = p.variables[:len(p.variables)-1]
	if err != nil {
		return nil, err
	}
	if !isOrNull(body.Type, Boolean) {
		return nil, p.failAt(at, "The expression inside '%s' is '%s', not 'Edm.Boolean'", op, body.typeName())
	}
	if p.space(); !p.take(')') {
		return nil, p.fail("Expected ')'")
	}
	e.Args = []*Expr{{Op: "variable", Type: q.Type, Name: name}, body}
	return p.node(e)
}

// variable is a range variable: each item of a collection in turn.
type variable struct {
	name string
	item Property // its name is the variable's
}

// declare reads the name of a range variable and the colon after it.
func (p *parser) declare(q Property) (name string, err error) {
	at := p.at
	name = p.word()
	if name == "" || strings.ContainsAny(name, ".$") || name[0] >= '0' && name[0] <= '9' {
		return "", p.failAt(at, "Expected the name of a range variable")
	}
	if _, ok := p.variable(name); ok {
		return "", p.failAt(at, "The range variable '%s' was already declared", name)
	}
	if p.space(); !p.take(':') {
		return "", p.fail("Expected ':' after the range variable '%s'", name)
	}
	q.Name, q.Collection = name, false
	p.variables = append(p.variables, variable{name, q})
	return name, nil
}

// variable finds a range variable that the expression is inside of.
func (p *parser) variable(name string) (v variable, ok bool) {
	for _, v := range p.variables {
		if strings.EqualFold(v.name, name) {
			return v, true
		}
	}
	return variable{}, false
}
