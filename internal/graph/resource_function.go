package graph

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/mocktenant/mocktenant/internal/entity"
	"github.com/mocktenant/mocktenant/internal/odata"
)

// routeFunctions adds the routes of the functions that are bound to the set.
func (r *resource) routeFunctions(set string, get func(string, gin.HandlerFunc), read func(handler) gin.HandlerFunc) {
	for i := range r.Functions {
		f := &r.Functions[i]
		path := set + "/" + f.Name
		if f.Parameter != "" {
			path += "/:argument"
		}
		get(path, read(func(x *exchange) error { return r.call(x, f) }))
	}
}

// call answers with the texts that a function returns (Protocol 11.5.4.1).
func (r *resource) call(x *exchange, f *entity.Function) error {
	q, err := r.query(x, odata.Format)
	if err != nil {
		return err
	}
	list := collection{format: x.format, context: x.contextURL("Collection("+odata.String.String()+")", q, false)}
	b := list.head()
	for i, text := range f.Values(x.Param("argument")) {
		if i > 0 {
			b = append(b, ',')
		}
		b = entity.AppendString(b, text)
	}
	x.writeJSON(http.StatusOK, append(b, tail...))
	return nil
}
