// Package loginapi holds the rows by which programs log in, and by which whoever has no token yet learns how (contract 1.10 to 1.12
// and 5.1). What a login is decides package login.
package loginapi
