package saml

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/beevik/etree"
)

// vectors are the answers in testdata, which all say the same: [alice].
func vectors(t testing.TB) (c Config, texts []string) {
	t.Helper()
	files, err := filepath.Glob("testdata/xmlsec/*.xml")
	if err != nil || len(files) == 0 {
		t.Fatalf("%v, %v", files, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, string(text))
	}
	return config(xmlsecIssuer(t, "rsa"), xmlsecIssuer(t, "ec")), texts
}

// genuineOrRefused fails if an answer is accepted as anything but what was signed.
func genuineOrRefused(t *testing.T, c Config, answer []byte) {
	t.Helper()
	a, err := Verify(c, answer, requestID, now)
	if err == nil && a != alice || err != nil && a != (Assertion{}) {
		t.Errorf("accepted %+v, %v; signed was %+v", a, err, alice)
	}
}

// FuzzResponse changes the bytes of signed answers: nothing panics, and whatever is accepted names whom the identity provider
// named.
func FuzzResponse(f *testing.F) {
	c, texts := vectors(f)
	for _, text := range texts {
		f.Add(text)
	}
	f.Add(answerXML)
	f.Add("<!DOCTYPE a>" + answerXML)
	f.Fuzz(func(t *testing.T, text string) {
		genuineOrRefused(t, c, fieldOf(text))
		genuineOrRefused(t, c, []byte(text)) // as the field itself
	})
}

// FuzzWrapping moves, copies, renames and rewrites the elements of signed answers, three bytes of plan for each step: what
// random bytes hardly do, as they break the XML.
func FuzzWrapping(f *testing.F) {
	c, texts := vectors(f)
	for i := range texts {
		f.Add(byte(i), []byte{0, 3, 0})
		f.Add(byte(i), []byte{1, 3, 0, 4, 9, 0, 2, 4, 1})
		f.Add(byte(i), []byte{1, 3, 4, 3, 3, 9, 4, 20, 0, 0, 5, 2})
	}
	f.Fuzz(func(t *testing.T, which byte, plan []byte) {
		root := parsed(t, texts[int(which)%len(texts)])
		for len(plan) >= 3 && len(plan) < 300 {
			rearrange(root, plan[0], plan[1], plan[2])
			plan = plan[3:]
		}
		genuineOrRefused(t, c, field(t, root))
	})
}

// rearrange does one thing to two elements of a document.
func rearrange(root *etree.Element, what, first, second byte) {
	all := root.FindElements("//*")
	if len(all) == 0 || len(all) > 400 {
		return
	}
	a, b := all[int(first)%len(all)], all[int(second)%len(all)]
	switch what % 8 {
	case 0: // copy behind
		if a.Parent() != nil && a != root {
			a.Parent().InsertChildAt(a.Index()+1, b.Copy())
		}
	case 1: // copy before
		if a.Parent() != nil && a != root {
			a.Parent().InsertChildAt(a.Index(), b.Copy())
		}
	case 2: // copy into
		a.AddChild(b.Copy())
	case 3: // drop
		if a.Parent() != nil && a != root {
			a.Parent().RemoveChild(a)
		}
	case 4: // another text
		a.SetText("admin@example.org")
	case 5: // another ID
		a.CreateAttr("ID", []string{"_assertion", "_response", "_x"}[int(second)%3])
	case 6: // another name
		a.Space, a.Tag = b.Space, b.Tag
	case 7: // attributes of the other
		a.Attr = append(a.Attr[:0:0], b.Attr...)
	}
}
