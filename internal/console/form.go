package console

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"
	g "maragu.dev/gomponents"

	"github.com/mocktenant/mocktenant/api"
)

// Names of fields that aren't part of the body. A field of the body is named by the JSON
// pointer of its value, which begins with /.
const (
	tokenField     = "csrf"
	backField      = "back"
	parameterField = "parameter:"
	wasField       = "was:"
	documentField  = "document"
	idempotencyKey = "Idempotency-Key"
	presetField    = "preset"
)

// maxForm is the maximum size of a form in bytes. Gin would write parts of larger forms to
// files.
const maxForm = 16 << 20

const tooLarge = "A form may have at most 16 MB. Send larger documents with mocktenant import."

// boundForm refuses larger forms, and stops reading those that don't announce their size.
func (c *Console) boundForm(x *gin.Context) {
	if x.Request.ContentLength > maxForm {
		c.write(x, http.StatusRequestEntityTooLarge, document("Too large", nil,
			html.Main(html.P(html.Text("A form may have at most 16 MB. Send larger documents with mocktenant import.")))))
		x.Abort()
		return
	}
	x.Request.Body = http.MaxBytesReader(x.Writer, x.Request.Body, maxForm)
}

// form is an operation that a person is about to call, with the values typed so far.
type form struct {
	op     *operation
	params params
	back   string            // the page to return to
	values map[string]string // by field
	was    map[string]string // the values before an update, by field
	fault  *api.Problem      // why the last try was refused
	again  string            // the Idempotency-Key
	theirs []both            // what somebody else changed meanwhile
}

// showForm shows the form of an operation.
func showForm(v *visit) (screen, error) {
	op, ok := contract().operations[v.Param("operation")]
	if !ok || op.method == http.MethodGet {
		return screen{}, refusal(http.StatusNotFound, "There is no form for "+v.Param("operation")+".")
	}
	if !v.may(op.name) {
		return screen{}, refusal(http.StatusForbidden, "This needs a key with the role "+op.Role+"; yours has the role "+string(v.caller.Role)+".")
	}
	f := &form{op: op, params: v.queryParams(), back: ownPath(v.Query(backField)), values: map[string]string{}, was: map[string]string{}, again: rand.Text()}
	delete(f.params, backField)
	f.startFrom(v.Query(presetField))
	delete(f.params, presetField)
	for name, value := range f.params {
		if strings.HasPrefix(name, "/") { // a field that the link to the form fills in
			f.values[name] = value
			delete(f.params, name)
		}
	}
	if op.reads != "" {
		var now json.RawMessage
		if err := v.call(op.reads, f.params, &now); err != nil {
			return screen{}, err
		}
		f.prefill(f.schema(), now)
	}
	return v.formScreen(f), nil
}

// startFrom fills in a preset's document. Other names fill in nothing.
func (f *form) startFrom(preset string) {
	if text, ok := api.Preset(preset); ok && preset != "" {
		f.values["/source/document"] = string(text)
	}
}

// presets links from the form for a tenant to the same form with a preset's document.
func (v *visit) presets(f *form) g.Node {
	if f.op.name != "createTenant" || v.Request.Method != http.MethodGet {
		return nil
	}
	return html.P(html.Class("buttons"), html.Text("Start with: "), html.A(html.Class("button"), testID("preset-empty"), html.Href(v.withQuery(presetField, "")), html.Text("nothing")),
		g.Map(api.PresetNames(), func(name string) g.Node {
			return html.A(html.Class("button"), testID("preset-"+name), html.Href(v.withQuery(presetField, name)), html.Text("the preset "+name))
		}))
}

// prefill sets the fields of a schema to the present values.
func (f *form) prefill(s *schema, now json.RawMessage) {
	eachField(s, "", func(name string, s *schema) {
		if value, ok := valueAt(now, name); ok {
			f.values[name] = showValue(s, value)
			if !s.hidden { // the form always sends it
				f.was[name] = f.values[name]
			}
		}
	})
}

// eachField calls yield for each field of a body. Objects with known properties are fields
// for each property; every other value is one field.
func eachField(s *schema, at string, yield func(name string, s *schema)) {
	for _, p := range s.Properties {
		field := contract().resolve(p.schema)
		if len(field.Properties) > 0 {
			eachField(field, at+"/"+p.name, yield)
			continue
		}
		yield(at+"/"+p.name, field)
	}
}

// valueAt returns the value at a pointer, whose segments need no escapes. ok is false for
// null and if the value doesn't exist.
func valueAt(document json.RawMessage, pointer string) (value json.RawMessage, ok bool) {
	for segment := range strings.SplitSeq(pointer[1:], "/") {
		var members map[string]json.RawMessage
		if json.Unmarshal(document, &members) != nil {
			return nil, false
		}
		next, ok := members[segment]
		if !ok {
			return nil, false
		}
		document = next
	}
	return document, string(document) != "null"
}

// showValue returns a value as its field shows it.
func showValue(s *schema, value json.RawMessage) string {
	var text string
	var list []string
	switch {
	case json.Unmarshal(value, &text) == nil:
		return text
	case s.kind() == "array" && json.Unmarshal(value, &list) == nil:
		return strings.Join(list, "\n")
	case s.kind() == "":
		return pretty(&value)
	}
	return string(value)
}

// submit calls the operation of a form. If the administration refuses the call, submit shows
// the form again with the values that were typed.
func (c *Console) submit(v *visit) {
	op, ok := contract().operations[v.Param("operation")]
	if !ok || op.method == http.MethodGet {
		v.fail(refusal(http.StatusNotFound, "There is no form for "+v.Param("operation")+"."))
		return
	}
	f := v.readForm(op)
	var answer json.RawMessage
	sent, err := f.body()
	if err == nil {
		err = v.sendForm(f, sent, &answer)
	}
	var p *api.Problem
	switch {
	case err == nil:
		v.done(f, answer)
	case asProblem(err, &p) && p.Status != http.StatusUnauthorized && f.hasFields():
		f.fault = p
		v.conflict(f)
		_ = v.findTenant() // for the navigation, which the page can do without
		s := v.formScreen(f)
		s.status = p.Status
		v.write(s)
	default:
		v.fail(err)
	}
}

func (v *visit) sendForm(f *form, b *body, answer *json.RawMessage) error {
	r, err := v.request(f.op.name, f.params, b)
	if err != nil {
		return err
	}
	if f.op.creates() && f.again != "" {
		r.Header.Set(idempotencyKey, f.again)
	}
	a := &recorder{header: http.Header{}}
	v.console.administration.ServeHTTP(a, r)
	return a.read(answer)
}

// readForm reads the form that a browser sent for an operation.
func (v *visit) readForm(op *operation) *form {
	f := &form{op: op, params: params{}, values: map[string]string{}, was: map[string]string{}, back: ownPath(v.PostForm(backField)), again: v.PostForm(idempotencyKey)}
	for name, all := range v.Request.PostForm {
		value := strings.ReplaceAll(all[0], "\r\n", "\n") // browsers send line breaks as CRLF
		switch {
		case strings.HasPrefix(name, parameterField):
			f.params[name[len(parameterField):]] = value
		case strings.HasPrefix(name, wasField):
			f.was[name[len(wasField):]] = value
		default:
			f.values[name] = value
		}
	}
	if file, _, err := v.Request.FormFile("file"); err == nil {
		defer func() { _ = file.Close() }()
		if text, err := io.ReadAll(file); err == nil && len(text) > 0 {
			f.values[documentField] = string(text)
		}
	}
	return f
}

// hasFields reports whether the form has anything that a person can correct.
func (f *form) hasFields() bool {
	return f.op.Body != nil || slices.ContainsFunc(f.op.Parameters, func(p parameter) bool { return p.In == "query" })
}

// oneLine removes line breaks, as browsers do from the value of an input.
var oneLine = strings.NewReplacer("\r", "", "\n", "")

// body returns the body that the form sends, or nil. It leaves out fields that weren't
// changed.
func (f *form) body() (*body, error) {
	switch {
	case f.op.document:
		kind := yamlType
		if strings.HasPrefix(strings.TrimSpace(f.values[documentField]), "{") {
			kind = jsonType
		}
		return &body{kind, []byte(f.values[documentField])}, nil
	case f.op.Body == nil:
		return nil, nil
	}
	tree := map[string]any{}
	var failure error
	eachField(f.schema(), "", func(name string, s *schema) {
		text, was := f.values[name], f.was[name]
		if text == was || text == oneLine.Replace(was) {
			return
		}
		value, err := readField(s, text)
		if err != nil && failure == nil {
			failure = &api.Problem{Status: http.StatusBadRequest, Title: "Bad Request", Pointer: &name, Detail: ptr(name + ": " + err.Error())}
		}
		put(tree, name, value)
	})
	if failure != nil {
		return nil, failure
	}
	text, err := json.Marshal(tree)
	return &body{jsonType, text}, err
}

// readField converts the text of a field to a value of its schema. A text that doesn't fit
// is sent unchanged, so that the administration says what is wrong with it.
func readField(s *schema, text string) (any, error) {
	switch kind := s.kind(); {
	case text == "" && s.nullable():
		return nil, nil
	case kind == "array":
		return slices.DeleteFunc(strings.Split(text, "\n"), func(line string) bool { return strings.TrimSpace(line) == "" }), nil
	case kind == "boolean" && (text == "true" || text == "false"):
		return text == "true", nil
	case kind == "integer" || kind == "number":
		if _, err := strconv.ParseFloat(text, 64); err == nil && json.Valid([]byte(text)) {
			return json.Number(text), nil
		}
	case kind == "object" || kind == "":
		if !json.Valid([]byte(text)) {
			return nil, fmt.Errorf("it isn't JSON")
		}
		return json.RawMessage(text), nil
	}
	return text, nil
}

// put sets the value at a pointer in a tree of objects.
func put(tree map[string]any, pointer string, value any) {
	segments := strings.Split(pointer[1:], "/")
	for _, segment := range segments[:len(segments)-1] {
		inner, ok := tree[segment].(map[string]any)
		if !ok {
			inner = map[string]any{}
			tree[segment] = inner
		}
		tree = inner
	}
	tree[segments[len(segments)-1]] = value
}

// formScreen returns the page of a form.
func (v *visit) formScreen(f *form) screen {
	title := f.op.title()
	return screen{title: title, body: g.Group{
		html.H1(html.Text(title)),
		html.P(html.Class("note"), html.Text(f.op.Summary+" "+f.op.body().describe()), f.of()),
		v.presets(f),
		v.form(f),
	}}
}

// of says which entity a form is about.
func (f *form) of() g.Node {
	set, id := f.params["entitySet"], f.params["entityId"]
	if set == "" {
		return nil
	}
	return g.Group{html.Text(" "), code(set), g.If(id != "", g.Group{html.Text(" "), code(id)})}
}

// form returns a form with its fields, and why the last try was refused.
func (v *visit) form(f *form) g.Node {
	fields := v.hidden(f)
	if f.fault != nil {
		fields = append(fields, alert(f.fault.Error()))
	}
	fields = append(fields, v.bothTable(f))
	for _, p := range f.op.Parameters {
		if _, given := f.params[p.Name]; p.In == "query" && !given {
			fields = append(fields, f.field(parameterField+p.Name, p.Name, contract().resolve(p.Schema), p.Required))
		}
	}
	switch {
	case f.op.document:
		fields = append(fields, f.documentFields()...)
	case f.op.Body != nil:
		fields = append(fields, f.fields(f.schema(), "", f.op.reads == "")...)
	}
	return html.Form(
		html.Method("post"), html.Action(Root+"/call/"+f.op.name), testID("form-"+f.op.name), g.If(f.op.document, withFile()),
		fields,
		html.Div(html.Class("buttons"), html.Button(html.Class("primary"), testID("submit"), html.Text(f.op.title())), html.A(html.Class("button"), html.Href(f.back), html.Text("Cancel"))),
	)
}

// hidden returns the fields that a person doesn't see.
func (v *visit) hidden(f *form) g.Group {
	hidden := func(name, value string) g.Node {
		return html.Input(html.Type("hidden"), html.Name(name), html.Value(value))
	}
	fields := g.Group{hidden(tokenField, v.console.sessions.token(v.session)), hidden(backField, f.back)}
	if f.op.creates() {
		fields = append(fields, hidden(idempotencyKey, f.again))
	}
	for _, name := range sorted(f.params) {
		fields = append(fields, hidden(parameterField+name, f.params[name]))
	}
	for _, name := range sorted(f.was) {
		fields = append(fields, hidden(wasField+name, f.was[name]))
	}
	return fields
}

// fields returns the fields of an object. A required property of an optional object isn't
// marked as required, because browsers refuse to send a form without it, even while the
// object is folded.
func (f *form) fields(s *schema, at string, mandatory bool) (all g.Group) {
	for _, p := range s.requiredFirst() {
		field, name := contract().resolve(p.schema), at+"/"+p.name
		required := mandatory && slices.Contains(s.Required, p.name)
		switch {
		case field.hidden:
			all = append(all, html.Input(html.Type("hidden"), html.Name(name), html.Value(f.values[name])))
			continue
		case field.flat:
			all = append(all, f.fields(field, name, required)...)
			continue
		case len(field.Properties) == 0:
			all = append(all, f.field(name, p.name, field, required))
			continue
		}
		open := required || f.anyBelow(name)
		all = append(all, html.Details(g.If(open, html.Attr("open")), html.Summary(html.Text(words(p.name))),
			g.If(field.Description != "", html.P(html.Class("note"), html.Text(field.Description))), f.fields(field, name, required)))
	}
	return all
}

// anyBelow reports whether a field below a name has a value or was refused.
func (f *form) anyBelow(name string) bool {
	for field, value := range f.values {
		if strings.HasPrefix(field, name+"/") && value != "" {
			return true
		}
	}
	return f.fault != nil && f.fault.Pointer != nil && strings.HasPrefix(*f.fault.Pointer, name+"/")
}

// field returns the input of one value with its label and description, marked if the value
// was refused.
func (f *form) field(name, label string, s *schema, required bool) g.Node {
	id := "field" + strings.NewReplacer("/", "-", ":", "-").Replace(name)
	hint := s.hint()
	common := g.Group{html.ID(id), html.Name(name), testID(id), g.If(required, html.Required())}
	if hint != "" {
		common = append(common, html.Aria("describedby", id+"-hint"))
	}
	faulty := f.fault != nil && f.fault.Pointer != nil && *f.fault.Pointer == name
	if faulty {
		common = append(common, html.Aria("invalid", "true"))
	}
	return html.Div(html.Class("field"),
		html.Label(html.For(id), html.Text(words(label)), g.If(required, html.Span(html.Class("required"), html.Text(" (required)")))),
		f.input(name, s, common),
		g.If(hint != "", html.P(html.Class("note"), html.ID(id+"-hint"), html.Text(hint))),
	)
}

func (f *form) input(name string, s *schema, common g.Group) g.Node {
	value := f.values[name]
	switch kind := s.kind(); {
	case len(s.Enum) > 0:
		return choices(common, s.Enum, value)
	case kind == "boolean":
		return choices(common, []string{"true", "false"}, value)
	case kind == "array" || kind == "object" || kind == "" || s.MaxLength >= 4096:
		return html.Textarea(common, html.Rows("3"), html.Attr("spellcheck", "false"), html.Text("\n"+value)) // HTML drops the first line break
	case s.Format == "date-time":
		common = append(common, html.Placeholder("2026-12-31T23:59:59Z"))
	case kind == "integer" || kind == "number":
		common = append(common, html.Attr("inputmode", "decimal"))
	}
	if s.Default != nil {
		common = append(common, html.Placeholder(fmt.Sprint(s.Default)))
	}
	kind := "text"
	if strings.HasSuffix(name, "/password") {
		kind = "password"
		common = append(common, html.AutoComplete("new-password"))
	} else {
		common = append(common, html.AutoComplete("off"))
	}
	return html.Input(common, html.Type(kind), html.Value(value), html.Attr("spellcheck", "false"))
}

// choices returns a list of values to choose from. Its first entry leaves the value out.
func choices(common g.Group, values []string, chosen string) g.Node {
	return html.Select(common, html.Option(html.Value(""), html.Text("by default")), g.Map(values, func(value string) g.Node {
		return html.Option(html.Value(value), g.If(value == chosen, html.Selected()), html.Text(value))
	}))
}

// withFile makes a form send a file, and tells the script what it refuses without sending it.
func withFile() g.Node {
	const others = 16 << 10 // the form's other fields, in bytes
	return g.Group{html.EncType("multipart/form-data"), html.Data("most", strconv.Itoa(maxForm-others)), html.Data("too-large", tooLarge)}
}

// documentFields are a file or its text. The script says below them how far the file is.
func (f *form) documentFields() g.Group {
	return g.Group{
		html.Div(html.Class("field"), html.Label(html.For("file"), html.Text("File, JSON or YAML")), html.Input(html.ID("file"), html.Name("file"), html.Type("file"), html.Accept(".json,.yaml,.yml"))),
		html.Div(html.Class("field"), html.Label(html.For(documentField), html.Text("Or its text")),
			html.Textarea(html.ID(documentField), html.Name(documentField), html.Rows("12"), html.Attr("spellcheck", "false"), html.Text("\n"+f.values[documentField]))),
		html.Div(html.Class("sending"), testID("sending"), html.Hidden(""), html.El("progress", html.Aria("label", "Sent")), html.Span(testID("sent")), html.Span(html.Role("status"))),
	}
}

// button calls an operation that needs no input, and returns to the page. It is nil if the
// caller may not call the operation.
func (v *visit) button(operation, label string, p params) g.Node {
	return v.buttonTo(operation, label, v.Request.URL.RequestURI(), p)
}

// buttonTo is a button that leads to another page.
func (v *visit) buttonTo(operation, label, back string, p params) g.Node {
	op := contract().operations[operation]
	if !v.may(operation) {
		return nil
	}
	f := &form{op: op, params: p, back: back, again: rand.Text()}
	return html.Form(html.Class("inline"), html.Method("post"), html.Action(Root+"/call/"+operation), v.hidden(f),
		html.Button(html.Class("button"), testID(operation), html.Text(label)))
}

// sure is a button that asks for confirmation, because its operation can't be undone.
func (v *visit) sure(operation, label, back string, p params) g.Node {
	if !v.may(operation) {
		return nil
	}
	f := &form{op: contract().operations[operation], params: p, back: back, again: rand.Text()}
	return html.Details(html.Class("sure"), html.Summary(html.Class("button"), testID(operation), html.Text(label)),
		html.Form(html.Method("post"), html.Action(Root+"/call/"+operation), v.hidden(f),
			html.Span(html.Text("This can't be undone. ")), html.Button(html.Class("danger"), testID(operation+"-sure"), html.Text(label))))
}

// formLink links to the form of an operation, which returns to this page. It is nil if the
// caller may not call the operation.
func (v *visit) formLink(operation, label, class string, p params) g.Node {
	if !v.may(operation) {
		return nil
	}
	return html.A(html.Class(class), testID(operation), html.Href(formPath(operation, v.Request.URL.RequestURI(), p)), html.Text(label))
}
