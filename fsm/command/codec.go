package command

// Encode writes a command as a log entry.
func Encode(h Header, c Command) ([]byte, error) { panic("soon") }

// Decode reads a log entry.
func Decode(entry []byte) (Header, Command, error) { panic("soon") }
