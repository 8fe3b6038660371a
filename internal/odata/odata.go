// Package odata reads the textual parts of OData: the system query options of a URL and the
// literals of primitive types. It knows nothing about HTTP, SQL or any entity; the caller
// describes the resource. Section numbers in this package refer to OData 4.01.
//
//	q, err := odata.ParseQuery("$top=5&$select=id", resource)
//
// Everything that it refuses is an *Error, whose text is meant for the client.
package odata

import "fmt"

// Error describes a query option or literal that can't be served, in the words of
// Microsoft's OData library.
type Error struct {
	Option  string // the query option, with its $; "" for a literal
	Message string
}

func (e *Error) Error() string { return e.Message }

func refuse(option, format string, args ...any) *Error {
	return &Error{Option: option, Message: fmt.Sprintf(format, args...)}
}
