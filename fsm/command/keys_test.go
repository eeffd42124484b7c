package command

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/fsm/fault"
	"gatehouse/fsm/iam"
)

func TestKeysRotate(t *testing.T) {
	m := newMachine(t)
	m.must(PrepareKey{SigningKey: testKey("kid-2")})
	m.refuse(PrepareKey{SigningKey: testKey("kid-2")}, fault.Conflict)
	m.refuse(PrepareKey{SigningKey: iam.SigningKey{KID: "x"}}, fault.InvalidData)
	m.refuse(ActivateKey{KID: "kid-9"}, fault.UnknownKey)
	m.refuse(RetireKey{KID: "kid-9"}, fault.UnknownKey)
	m.refuse(RetireKey{KID: "kid-1", Force: true}, fault.KeyInUse)

	m.clock = m.clock.Add(time.Hour)
	m.must(ActivateKey{KID: "kid-2"})
	m.must(ActivateKey{KID: "kid-2"}) // again: nothing happens
	keys := m.s.SigningKeys()
	if keys[0].KID != "kid-2" || keys[0].Status != iam.Active || keys[1].Status != iam.Retiring || !keys[1].RetiringAt.Equal(m.clock) {
		t.Errorf("keys = %+v %+v", *keys[0], *keys[1])
	}
	m.clock = m.clock.Add(life - 1)
	m.refuse(RetireKey{KID: "kid-1", TokenLife: life}, fault.KeyInUse)
	m.clock = m.clock.Add(1)
	m.must(RetireKey{KID: "kid-1", TokenLife: life})
	if n := len(m.s.SigningKeys()); n != 1 {
		t.Errorf("%d keys, want 1", n)
	}

	m.must(PrepareKey{SigningKey: testKey("kid-3")})
	m.must(RetireKey{KID: "kid-3", TokenLife: life}) // it never signed
	m.must(PrepareKey{SigningKey: testKey("kid-4")})
	m.must(ActivateKey{KID: "kid-4"})
	m.must(ActivateKey{KID: "kid-2"}) // back again
	if k, _ := m.s.SigningKey("kid-2"); k.Status != iam.Active || !k.RetiringAt.IsZero() {
		t.Errorf("kid-2 = %+v", *k)
	}
	m.must(RetireKey{KID: "kid-4", Force: true, TokenLife: life})
}

func TestResealKeyChangesNothingButTheSeal(t *testing.T) {
	m := newMachine(t)
	m.must(PrepareKey{SigningKey: testKey("kid-2")})
	before := m.s.SigningKeys()
	m.must(ResealKey{KID: "kid-2", Sealed: []byte("anew")})
	want := *before[1]
	want.Sealed = []byte("anew")
	if diff := cmp.Diff([]*iam.SigningKey{before[0], &want}, m.s.SigningKeys()); diff != "" {
		t.Errorf("keys (-want +got):\n%s", diff)
	}
	m.refuse(ResealKey{KID: "kid-9", Sealed: []byte("anew")}, fault.UnknownKey)
	m.refuse(ResealKey{KID: "kid-2"}, fault.InvalidData)
}
