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
	variable, err := p.declare(q)
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
	e.Args = []*Expr{variable, body}
	return p.node(e)
}

// declare reads the name of a range variable, which is each item of a collection in turn, and
// the colon after it.
func (p *parser) declare(q Property) (*Expr, error) {
	at := p.at
	name := p.word()
	if name == "" || strings.ContainsAny(name, ".$") || name[0] >= '0' && name[0] <= '9' {
		return nil, p.failAt(at, "Expected the name of a range variable")
	}
	if p.variable(name) != nil {
		return nil, p.failAt(at, "The range variable '%s' was already declared", name)
	}
	if p.space(); !p.take(':') {
		return nil, p.fail("Expected ':' after the range variable '%s'", name)
	}
	v := &Expr{Op: "variable", Type: q.Type, Name: name}
	p.variables = append(p.variables, v)
	return v, nil
}

// variable finds a range variable that the expression is inside of, or returns nil.
func (p *parser) variable(name string) *Expr {
	for _, v := range p.variables {
		if strings.EqualFold(v.Name, name) {
			return v
		}
	}
	return nil
}
