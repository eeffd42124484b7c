package conformance

const secretsPrefix = "/secrets/v1"

func secretPath(path string) string       { return secretsPrefix + "/secret/default/" + path }
func storePath(verb, store string) string { return secretsPrefix + "/" + verb + "/" + store }
func leasePath(verb, path string) string  { return secretsPrefix + "/" + verb + "/default/" + path }
func historyPath(verb, path string) string {
	return "/gatehouse/v1/secrets/default/" + verb + "/" + path
}
