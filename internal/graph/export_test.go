package graph

// Routes lists every route as its method and its path.
func Routes() []string {
	var all []string
	for _, r := range (&server{}).engine(nil).Routes() {
		all = append(all, r.Method+" "+r.Path)
	}
	return all
}
