// Package dcosapi has the rows of the few well-known paths, beside the IAM API, that tools made for DC/OS ask any cluster for.
//
// The dcos command line learns the edition from the challenge of a refused request, then the cluster's id, name and version,
// and over HTTPS the certificate authority (contract 8). On DC/OS these paths belong to other daemons behind Admin Router; here
// every master answers them about what is true of this cluster, and says nothing of agents, packages or frameworks, of which
// it knows nothing.
package dcosapi
