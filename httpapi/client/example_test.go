package client_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"time"

	"gatehouse/httpapi/client"
)

// twoMasters stand for a cluster of which one master is down.
func twoMasters() (addresses []string, stop func()) {
	down := httptest.NewServer(http.HandlerFunc(says(503, "ERR_NO_LEADER")))
	up := http.NewServeMux()
	up.HandleFunc("POST /acs/api/v1/auth/login", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"token":"opaque"}`) })
	up.HandleFunc("GET /acs/api/v1/users", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"array":[{"uid":"alice","description":"Alice"},{"uid":"bob","description":"Bob"}]}`)
	})
	up.HandleFunc("PUT /acs/api/v1/users/bob", says(409, "ERR_USER_EXISTS"))
	server := httptest.NewServer(up)
	return []string{down.URL, server.URL}, func() { down.Close(); server.Close() }
}

func ExampleNew() {
	addresses, stop := twoMasters()
	defer stop()

	c, err := client.New(client.Options{
		Addresses:   addresses, // https://10.0.0.1, https://10.0.0.2, https://10.0.0.3
		Credentials: client.Password("admin", "a passphrase"),
	})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	users, err := c.Users(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	for _, u := range users {
		fmt.Println(u.UID, u.Description)
	}
	// Output:
	// alice Alice
	// bob Bob
}

func ExampleClient_CreateUser() {
	addresses, stop := twoMasters()
	defer stop()
	c, err := client.New(client.Options{Addresses: addresses, Credentials: client.Password("admin", "a passphrase")})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()

	err = c.CreateUser(context.Background(), client.NewUser{UID: "bob", Password: "another passphrase"})
	var answer *client.Error
	switch {
	case err == nil:
		fmt.Println("created")
	case client.IsCode(err, "ERR_USER_EXISTS"):
		errors.As(err, &answer)
		fmt.Println("there already:", answer.Title)
	case client.OutcomeUnknown(err):
		fmt.Println("nobody knows: read the user")
	case client.Unavailable(err):
		fmt.Println("nothing has happened: try later")
	default:
		fmt.Println(err)
	}
	// Output: there already: 409 Conflict
}

func ExampleNewLoginSecret() {
	key, publicPEM, err := client.NewServiceKey()
	if err != nil {
		log.Fatal(err)
	}
	account := client.NewUser{UID: "a-service", PublicKey: publicPEM} // for CreateUser
	endpoint, err := client.LoginURL("https://master.mesos")
	if err != nil {
		log.Fatal(err)
	}
	secret, err := client.NewLoginSecret(account.UID, key, endpoint)
	if err != nil {
		log.Fatal(err)
	}
	text, err := secret.JSON() // into a file with mode 0600
	if err != nil {
		log.Fatal(err)
	}
	read, err := client.ParseLoginSecret(text)
	fmt.Println(read, "at", read.LoginEndpoint, err)
	// Output: login secret of a-service at https://master.mesos/acs/api/v1/auth/login <nil>
}

func ExampleVerifyToken() {
	// From Client.JWKS, or from GET /acs/api/v1/auth/jwks; kept for as long as it serves.
	keys, err := client.ParseJWKS([]byte(`{"keys":[{"kid":"one","kty":"RSA","alg":"RS256","use":"sig","e":"AQAB","n":"AQAB"}]}`))
	if err != nil {
		log.Fatal(err)
	}
	_, err = client.VerifyToken(keys, "eyJhbGciOiJub25lIn0.eyJ1aWQiOiJhbGljZSJ9.", time.Now())
	fmt.Println(errors.Is(err, client.ErrInvalidToken))
	// Output: true
}
