// Package odata reads the parts of OData that travel as text: the system query
// options of a URL and the literals of primitive types. It knows nothing of
// HTTP, of SQL or of any entity; the resource that is asked is described by the
// caller. Section numbers in this package are those of OData 4.01.
//
//	q, err := odata.ParseQuery("$top=5&$select=id", resource)
//
// Everything it refuses comes back as an *Error, whose text is meant for the
// client.
package odata

import "fmt"

// Error is a query option, or a literal, that can't be served. Its text names
// what is wrong in the words of Microsoft's OData library.
type Error struct {
	Option  string // the query option, with its $; "" for a literal
	Message string
}

func (e *Error) Error() string { return e.Message }

func refuse(option, format string, args ...any) *Error {
	return &Error{Option: option, Message: fmt.Sprintf(format, args...)}
}
