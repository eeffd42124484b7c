package httpapi

// Type is the JSON type that a member must have.
type Type uint8

const (
	// Any accepts every value.
	Any Type = iota
	// String, Number, Integer, Bool, Object and Array are the types of JSON Schema draft 4.
	String
	Number
	Integer
	Bool
	Object
	Array
)

// Member is one member of an object.
type Member struct {
	Name     string
	Type     Type
	Required bool
	// Nullable accepts null beside Type.
	Nullable bool
}

// Schema is what a JSON body must look like: an object with these members. A violation is 400 with the sentence that the
// original's validator used (contract 0.1).
type Schema struct {
	// Closed refuses members that are not listed.
	Closed  bool
	Members []Member
}
