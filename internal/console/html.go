package console

import (
	g "maragu.dev/gomponents"
	h "maragu.dev/gomponents/html"
)

// html has the elements and attributes that pages use. They are called through variables so that
// the compiler doesn't inline them: each call would have its own copies of the functions that
// they return, which made the program 1 MB larger.
var html = struct {
	A, Body, Button, Code, Dd, Del, Details, Div, Dl, Dt, Form, H1, H2, HTML, Head, Header, Img,
	Input, Ins, Kbd, Label, Li, Link, Main, Meta, Nav, Option, P, Pre, SVG, Script, Section,
	Select, Span, Strong, Summary, TBody, THead, Table, Td, Textarea, Th, Time, TitleEl, Tr, Ul func(...g.Node) g.Node
	Accept, Action, Alt, AutoComplete, Charset, Class, Content, DateTime, Dir, EncType,
	For, Height, Hidden, Href, ID, Lang, Method, Name, Placeholder, Rel, Role, Rows, Scope, Src,
	TabIndex, Text, Title, Type, Value, Width func(string) g.Node
	Aria, Data                           func(name, value string) g.Node
	AutoFocus, Defer, Required, Selected func() g.Node
	Doctype                              func(g.Node) g.Node
	Attr                                 func(name string, value ...string) g.Node
	El                                   func(name string, children ...g.Node) g.Node
}{
	A: h.A, Body: h.Body, Button: h.Button, Code: h.Code, Dd: h.Dd, Del: h.Del,
	Details: h.Details, Div: h.Div, Dl: h.Dl, Dt: h.Dt, Form: h.Form, H1: h.H1, H2: h.H2,
	HTML: h.HTML, Head: h.Head, Header: h.Header, Img: h.Img, Input: h.Input, Ins: h.Ins,
	Kbd: h.Kbd, Label: h.Label, Li: h.Li, Link: h.Link, Main: h.Main, Meta: h.Meta, Nav: h.Nav,
	Option: h.Option, P: h.P, Pre: h.Pre, SVG: h.SVG, Script: h.Script, Section: h.Section,
	Select: h.Select, Span: h.Span, Strong: h.Strong, Summary: h.Summary, TBody: h.TBody,
	THead: h.THead, Table: h.Table, Td: h.Td, Textarea: h.Textarea, Th: h.Th, Time: h.Time,
	TitleEl: h.TitleEl, Tr: h.Tr, Ul: h.Ul, Accept: h.Accept, Action: h.Action, Alt: h.Alt,
	AutoComplete: h.AutoComplete, Charset: h.Charset, Class: h.Class, Content: h.Content,
	DateTime: h.DateTime, Dir: h.Dir, EncType: h.EncType, For: h.For,
	Height: h.Height, Hidden: h.Hidden, Href: h.Href, ID: h.ID, Lang: h.Lang, Method: h.Method,
	Name: h.Name, Placeholder: h.Placeholder, Rel: h.Rel, Role: h.Role, Rows: h.Rows,
	Scope: h.Scope, Src: h.Src, TabIndex: h.TabIndex, Title: h.Title, Type: h.Type,
	Value: h.Value, Width: h.Width, Aria: h.Aria, Data: h.Data, AutoFocus: h.AutoFocus,
	Defer: h.Defer, Required: h.Required, Selected: h.Selected, Doctype: h.Doctype,
	Text: g.Text, Attr: g.Attr, El: g.El,
}
