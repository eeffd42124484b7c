// Package directoryapi is what superusers do with the company's directory: configure and test it, import users and groups, and
// bring the cluster in line with it (contract 4). Logins do not come by here.
//
// Imports and synchronisations are alike: the directory is asked first, for everything, and only then is something changed, in
// entries of a bounded size. An error of the directory therefore changes nothing, and above all removes nobody. One of them runs at a
// time, on the leader.
//
// A synchronisation takes away what the directory does not have any more. That a search finds nothing can have many reasons, so it
// counts only when the base of the search is there, and when not too much is missing at once; see [plan.refuse].
package directoryapi
