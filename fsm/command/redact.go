package command

import (
	"fmt"
	"log/slog"
)

const redacted = "[redacted]"

// Commands that carry hashes or sealed keys show neither, however they are printed.

// LogValue shows which user is created.
func (c CreateUser) LogValue() slog.Value { return c.User.LogValue() }

// LogValue shows which user changes and what of it.
func (c UpdateUser) LogValue() slog.Value {
	return slog.GroupValue(
		slog.String("uid", c.UID),
		slog.Bool("description", c.Description != nil),
		slog.Bool("password", c.PasswordHash != nil),
	)
}

// LogValue shows whose password is hashed anew.
func (c RehashPassword) LogValue() slog.Value { return slog.GroupValue(slog.String("uid", c.UID)) }

// LogValue shows who becomes a superuser.
func (c ResetSuperuser) LogValue() slog.Value { return slog.GroupValue(slog.String("uid", c.UID)) }

// LogValue shows how much changes.
func (c ApplyChanges) LogValue() slog.Value {
	return slog.GroupValue(slog.Int("changes", len(c.Changes)))
}

// LogValue shows what changes.
func (c Change) LogValue() slog.Value { return slog.StringValue(c.String()) }

// LogValue shows which key is published.
func (c PrepareKey) LogValue() slog.Value { return c.SigningKey.LogValue() }

// LogValue shows which key is sealed anew.
func (c ResealKey) LogValue() slog.Value { return slog.GroupValue(slog.String("kid", c.KID)) }

// LogValue shows which cluster is made.
func (c InitCluster) LogValue() slog.Value {
	return slog.GroupValue(slog.String("cluster_id", c.ClusterID), slog.Int("level", c.Level), slog.String("kid", c.SigningKey.KID))
}

// String keeps hashes out of a %v.
func (c UpdateUser) String() string { return c.Kind().String() + " " + c.UID + " " + redacted }

// GoString keeps hashes out of a %#v.
func (c UpdateUser) GoString() string { return c.String() }

// String keeps hashes out of a %v.
func (c RehashPassword) String() string { return c.Kind().String() + " " + c.UID + " " + redacted }

// GoString keeps hashes out of a %#v.
func (c RehashPassword) GoString() string { return c.String() }

// String keeps the hash out of a %v.
func (c ResetSuperuser) String() string { return c.Kind().String() + " " + c.UID + " " + redacted }

// GoString keeps the hash out of a %#v.
func (c ResetSuperuser) GoString() string { return c.String() }

// String keeps the hashes of new users out of a %v.
func (c ApplyChanges) String() string {
	return fmt.Sprintf("%s %d changes %s", c.Kind(), len(c.Changes), redacted)
}

// GoString keeps the hashes of new users out of a %#v.
func (c ApplyChanges) GoString() string { return c.String() }

// GoString keeps the hash of a new user out of a %#v.
func (c Change) GoString() string { return c.String() }

// String keeps the sealed key out of a %v.
func (c ResealKey) String() string { return c.Kind().String() + " " + c.KID + " " + redacted }

// GoString keeps the sealed key out of a %#v.
func (c ResealKey) GoString() string { return c.String() }

// String keeps the sealed secret out of a %v.
func (c ResealProvider) String() string { return c.Kind().String() + " " + c.ID + " " + redacted }

// GoString keeps the sealed secret out of a %#v.
func (c ResealProvider) GoString() string { return c.String() }

// LogValue shows which provider's secret is sealed anew.
func (c ResealProvider) LogValue() slog.Value { return slog.GroupValue(slog.String("id", c.ID)) }

// LogValue shows which directory is configured.
func (c PutDirectory) LogValue() slog.Value { return c.Directory.LogValue() }

// LogValue shows which configuration has its secrets sealed anew.
func (c ResealDirectory) LogValue() slog.Value {
	return slog.GroupValue(slog.Uint64("version", c.Version))
}

// String keeps the sealed secrets out of a %v.
func (c ResealDirectory) String() string {
	return fmt.Sprintf("%s %d %s", c.Kind(), c.Version, redacted)
}

// GoString keeps the sealed secrets out of a %#v.
func (c ResealDirectory) GoString() string { return c.String() }

// LogValue shows who is admitted.
func (c AdmitUser) LogValue() slog.Value { return c.User.LogValue() }

// LogValue shows how much is brought in line.
func (c SyncDirectory) LogValue() slog.Value { return slog.GroupValue(slog.Int("items", c.Items())) }

// String keeps the sealed value out of a %v.
func (v VersionData) String() string { return fmt.Sprintf("version %d %s", v.Number, redacted) }

// GoString keeps the sealed value out of a %#v.
func (v VersionData) GoString() string { return v.String() }

// String keeps the sealed value out of a %v.
func (r ReencryptedSecret) String() string {
	return fmt.Sprintf("%s version %d %s", r.Path, r.Version, redacted)
}

// GoString keeps the sealed value out of a %#v.
func (r ReencryptedSecret) GoString() string { return r.String() }

// LogValue shows which store is made.
func (c CreateStore) LogValue() slog.Value { return c.Store.LogValue() }

// LogValue shows which store gets keys.
func (c InitStore) LogValue() slog.Value { return storeValue(c.Name) }

// LogValue shows which store gets another root key.
func (c RekeyStore) LogValue() slog.Value { return storeValue(c.Name) }

// LogValue shows which store gets another data key.
func (c RotateStore) LogValue() slog.Value { return storeValue(c.Name) }

// LogValue shows which store unseals itself in another way.
func (c ResealAuto) LogValue() slog.Value { return storeValue(c.Name) }

func storeValue(name string) slog.Value { return slog.GroupValue(slog.String("store", name)) }
