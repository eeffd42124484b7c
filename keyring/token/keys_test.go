package token

import (
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gatehouse/fsm/iam"
	"gatehouse/keyring"
)

// The modulus and kid that the product documentation prints as its sample JWKS.
const (
	sampleKID = "49f795b26f80bec01f44b0f52e6ba6459ee2048fbb342f861f1a4e8ed4ebcb7f"
	sampleN   = "7dYvibxUngEyfdut1uSYbRCCP5dT5MQyMfLyy_6o5x8PD-fUMgkm0vGUJAUoKimnkZ85aUmswaU3yAxQiZ8yeaoSpgUR4WJCRhOIEJ6Oyq4mjK06vr9-wJj5gVXDBaqbxD0yhgzMHEDyxg3EFOJ2ve73Vkg4p7pygA4fI_de1Bs6n68Hwt9LJ7B-fPg0PU8IdPe_4dYNuHT09KGxWSlq3m4KSvNxPIGQ8nNK9H3gjQaoBT9-hDXfsAgrQo7GenXRZTYW13KATtRAR5Vtd177iEeVefbK3HRj9IfYjYPnlBP2CZv_YIK-9H_33JPXxlDTFgI92l_JKRF-fPSa1EEkIw"
)

func samplePublicKey() *rsa.PublicKey {
	return &rsa.PublicKey{N: new(big.Int).SetBytes(must(base64.RawURLEncoding.DecodeString(sampleN))), E: 65537}
}

func TestKIDFollowsTheContract(t *testing.T) {
	if got := KID(samplePublicKey()); got != sampleKID {
		t.Errorf("KID = %s, want %s", got, sampleKID)
	}
}

func TestOwnsKnowsTheClustersKeys(t *testing.T) {
	for pub, want := range map[*rsa.PublicKey]bool{&home().private.PublicKey: true, &abroad().private.PublicKey: false} {
		if got := Owns(home().source(), pub); got != want {
			t.Errorf("Owns(%s) = %v, want %v", KID(pub), got, want)
		}
	}
}

func TestAGeneratedKeyIsPreparedAndOpens(t *testing.T) {
	c := home()
	key, err := GenerateSigningKey(c.ring, now)
	if err != nil {
		t.Fatalf("GenerateSigningKey: %v", err)
	}
	private, err := openSigningKey(c.ring, key)
	if err != nil {
		t.Fatalf("openSigningKey: %v", err)
	}
	if bits := private.N.BitLen(); bits != 2048 || private.E != 65537 {
		t.Errorf("RSA %d bits, e %d, want 2048 and 65537", bits, private.E)
	}
	if key.Status != iam.Prepared || !key.CreatedAt.Equal(now) || key.KID != KID(&private.PublicKey) {
		t.Errorf("key = %+v", key)
	}
	pub, err := publicKey(key)
	if err != nil || !pub.Equal(&private.PublicKey) {
		t.Errorf("the public half is another key's: %v", err)
	}
}

func TestAResealedKeyNeedsTheNewClusterKeyAlone(t *testing.T) {
	old, err := keyring.Generate()
	if err != nil {
		t.Fatal(err)
	}
	both, added, err := old.AddKey()
	if err != nil {
		t.Fatal(err)
	}
	key, err := GenerateSigningKey(both, now)
	if err != nil {
		t.Fatal(err)
	}
	rotated, err := both.WithPrimary(added)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := Reseal(rotated, key)
	if err != nil {
		t.Fatalf("Reseal: %v", err)
	}
	next := *key
	next.Sealed = sealed
	dropped, err := rotated.WithoutKey(old.PrimaryID())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := openSigningKey(dropped, &next); err != nil {
		t.Errorf("the new cluster key alone: %v", err)
	}
	if _, err := openSigningKey(old, &next); !errors.Is(err, keyring.ErrUnknownKey) {
		t.Errorf("the old cluster key alone: %v, want ErrUnknownKey", err)
	}
	if _, err := Reseal(dropped, key); !errors.Is(err, keyring.ErrUnknownKey) {
		t.Errorf("a key that cannot be opened was sealed anew: %v", err)
	}
}

func TestJWKSListsTheSigningKeyFirst(t *testing.T) {
	a, b := *home().key, *abroad().key
	a.Status, b.Status = iam.Prepared, iam.Active
	set, err := JWKS(keys{&a, &b})
	if err != nil {
		t.Fatalf("JWKS: %v", err)
	}
	var got []string
	for _, key := range set.Keys {
		got = append(got, key.KID)
	}
	if diff := cmp.Diff([]string{b.KID, a.KID}, got); diff != "" {
		t.Errorf("order differs (-want +got):\n%s", diff)
	}
	none, err := JWKS(keys{})
	if text := string(must(json.Marshal(none))); err != nil || text != `{"keys":[]}` {
		t.Errorf("JWKS without keys = %s, %v", text, err)
	}
	b.KID = a.KID
	if _, err := JWKS(keys{&b}); err == nil || !strings.Contains(err.Error(), a.KID) {
		t.Errorf("JWKS of a key under another's id: %v, want an error naming it", err)
	}
}

func testJWKSEncoding(t *testing.T) {
	got := string(must(json.Marshal(jwk(sampleKID, samplePublicKey()))))
	want := fmt.Sprintf(`{"kid":"%s","kty":"RSA","n":"%s","e":"AQAB","alg":"RS256","use":"sig"}`, sampleKID, sampleN)
	if got != want {
		t.Errorf("JWK = %s\nwant  %s", got, want)
	}
	// 256 is two bytes, 5 is one: neither has a leading zero, and the sizes are minimal (RFC 7518, 6.3.1).
	for e, want := range map[int]string{5: "BQ", 257: "AQE", 65537: "AQAB"} {
		if got := jwk("", &rsa.PublicKey{N: big.NewInt(255), E: e}); got.E != want || got.N != "_w" {
			t.Errorf("e %d, n 255 = %s, %s, want %s, _w", e, got.E, got.N, want)
		}
	}
	first, second := must(JWKS(home().source())), must(JWKS(home().source()))
	if diff := cmp.Diff(first, second); diff != "" || first.Keys[0].KID != KID(&home().private.PublicKey) {
		t.Errorf("the kid is not stable:\n%s", diff)
	}
}
