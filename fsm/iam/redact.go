package iam

import "log/slog"

const redacted = "[redacted]"

// LogValue shows who the user is and hides how it proves that.
func (u User) LogValue() slog.Value {
	return slog.GroupValue(
		slog.String("uid", u.UID),
		slog.String("provider_type", u.ProviderType),
		slog.Bool("service", u.PublicKey != ""),
		slog.String("credentials", redacted),
	)
}

// String keeps a user that ends up in a %v from showing its password hash.
func (u User) String() string { return "user " + u.UID + " " + redacted }

// GoString does the same for %#v.
func (u User) GoString() string { return u.String() }

// LogValue shows which key it is and hides its sealed half.
func (k SigningKey) LogValue() slog.Value {
	return slog.GroupValue(slog.String("kid", k.KID), slog.String("status", string(k.Status)), slog.String("sealed", redacted))
}

// String keeps a key that ends up in a %v from showing its bytes.
func (k SigningKey) String() string { return "signing key " + k.KID + " " + redacted }

// GoString does the same for %#v.
func (k SigningKey) GoString() string { return k.String() }

// LogValue shows which provider it is and hides its client secret.
func (p Provider) LogValue() slog.Value {
	return slog.GroupValue(slog.String("id", p.ID), slog.String("type", p.Type()), slog.String("configuration", redacted))
}

// String keeps a provider that ends up in a %v from showing its client secret.
func (p Provider) String() string { return p.Type() + " provider " + p.ID + " " + redacted }

// GoString does the same for %#v.
func (p Provider) GoString() string { return p.String() }

// LogValue shows which directory it is and hides who searches it.
func (d Directory) LogValue() slog.Value {
	return slog.GroupValue(slog.String("host", d.Host), slog.Int("port", d.Port), slog.String("configuration", redacted))
}

// String keeps a directory that ends up in a %v from showing its password and key.
func (d Directory) String() string { return "directory " + d.Host + " " + redacted }

// GoString does the same for %#v.
func (d Directory) GoString() string { return d.String() }
