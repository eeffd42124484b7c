package secret

import "log/slog"

const redacted = "[redacted]"

// Nothing of a seal or of a sealed value is shown, however it is printed: what is encrypted today need not be for ever.

// LogValue shows which store it is.
func (s Store) LogValue() slog.Value {
	return slog.GroupValue(slog.String("name", s.Name), slog.Bool("sealed", s.Sealed), slog.Uint64("epoch", s.Epoch))
}

// String shows which store it is.
func (s Store) String() string { return "secret store " + s.Name + " " + redacted }

// GoString shows which store it is.
func (s Store) GoString() string { return s.String() }

// LogValue shows which root key it is.
func (s Seal) LogValue() slog.Value {
	return slog.GroupValue(slog.String("root_id", s.RootID), slog.String("seal", redacted))
}

// String shows which root key it is.
func (s Seal) String() string { return "seal " + s.RootID + " " + redacted }

// GoString shows which root key it is.
func (s Seal) GoString() string { return s.String() }

// LogValue hides the key.
func (k DataKey) LogValue() slog.Value { return slog.StringValue(redacted) }

// String hides the key.
func (k DataKey) String() string { return redacted }

// GoString hides the key.
func (k DataKey) GoString() string { return redacted }

// LogValue shows how the store unseals itself.
func (a Auto) LogValue() slog.Value { return slog.StringValue(a.String()) }

// String shows how the store unseals itself.
func (a Auto) String() string { return a.Method + " " + redacted }

// GoString shows how the store unseals itself.
func (a Auto) GoString() string { return a.String() }

// LogValue shows which secret it is.
func (s Secret) LogValue() slog.Value {
	return slog.GroupValue(slog.String("store", s.Store), slog.String("path", s.Path), slog.String("value", redacted))
}

// String shows which secret it is.
func (s Secret) String() string { return "secret " + s.Store + ":" + s.Path + " " + redacted }

// GoString shows which secret it is.
func (s Secret) GoString() string { return s.String() }

// LogValue hides the value.
func (v Version) LogValue() slog.Value {
	return slog.GroupValue(slog.Uint64("number", v.Number), slog.String("value", redacted))
}

// String hides the value.
func (v Version) String() string { return redacted }

// GoString hides the value.
func (v Version) GoString() string { return redacted }
