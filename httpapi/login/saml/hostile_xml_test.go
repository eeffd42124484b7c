package saml

import (
	"bytes"
	"compress/flate"
	"fmt"
	"math"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestHostileXML is about documents that harm whoever reads them, or that two readers read differently.
func TestHostileXML(t *testing.T) {
	p := ec()
	good := string(textOf(t, p.signed(t)))
	t.Run("M19", func(t *testing.T) {
		for name, c := range map[string]struct{ text, why string }{
			"external entity":    {`<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>` + strings.Replace(good, ">alice<", ">&x;<", 1), "document type"},
			"external DTD":       {`<!DOCTYPE a SYSTEM "http://127.0.0.1:1/a.dtd">` + good, "document type"},
			"billion laughs":     {laughs() + good, "document type"},
			"entity, undeclared": {strings.Replace(good, ">alice<", ">&x;<", 1), "well-formed"},
			"stylesheet":         {`<?xml-stylesheet href="http://127.0.0.1:1/"?>` + good, "processing instructions"},
			"instruction inside": {strings.Replace(good, ">alice<", ">alice<?php ?><", 1), "processing instructions"},
			"many attributes":    {"<a" + manyAttributes(1_000_000) + "/>", "too large"},
			"many in bounds":     {"<a" + manyAttributes(20_000) + "/>", "too large"},
			"many with prefix":   {`<p:a xmlns:p="u"` + strings.ReplaceAll(manyAttributes(9_500), " a", " p:a") + "/>", "too large"},
			"one too many":       {"<a" + manyAttributes(maxAttributes+1) + "/>", "too large"},
			"many elements":      {"<a>" + strings.Repeat("<b/>", 50_000) + "</a>", "too large"},
			"just too many":      {"<a>" + strings.Repeat("<b/>", maxNodes) + "</a>", "too large"},
			"depth":              {strings.Repeat("<a>", 100_000), "too large"},
			"depth in bounds":    {strings.Repeat("<a>", 50_000), "too large"},
			"many prefixes":      {"<a" + manyPrefixes(1_000) + "/>", "too large"},
			"large":              {strings.Repeat(" ", 1<<20) + good, "too large"},
			"UTF-16":             {`<?xml version="1.0" encoding="UTF-16"?>` + good, "well-formed"},
			"Latin 1":            {`<?xml version="1.0" encoding="ISO-8859-1"?>` + good, "well-formed"},
			"XML 1.1":            {`<?xml version="1.1"?>` + good, "well-formed"},
			"no UTF-8":           {strings.Replace(good, ">alice<", ">al\xffce<", 1), "UTF-8"},
			"NUL":                {strings.Replace(good, ">alice<", ">al\x00ce<", 1), "well-formed"},
			"two roots":          {good + good, "well-formed"},
			"text behind":        {good + "x", "well-formed"},
			"cut off":            {good[:len(good)-3], "well-formed"},
			"crossed tags":       {"<a><b></a></b>", "well-formed"},
			"empty":              {" ", "well-formed"},
			"another document":   {"<html/>", "not a SAML 2.0 response"},
		} {
			t.Run(name, func(t *testing.T) { testBounded(t, config(p), fieldOf(c.text), c.why) })
		}
		testCost(t, p, good)
	})
	t.Run("M20", func(t *testing.T) {
		var bomb bytes.Buffer
		w, err := flate.NewWriter(&bomb, 9)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(bytes.Repeat([]byte{'a'}, 64<<20)); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		testBounded(t, config(p), fieldOf(bomb.String()), "")
	})
	t.Run("M21", func(t *testing.T) {
		for name, change := range map[string][2]string{
			"empty prefix":         {"<saml:Subject>", "<:Subject>"},
			"two colons":           {"<saml:Subject>", "<saml:x:Subject>"},
			"empty name":           {"<saml:Subject>", "<saml:>"},
			"attribute of two":     {" Version=", " a:b:Version="},
			"declared xmlns":       {"<samlp:Status>", `<samlp:Status xmlns:xmlns="urn:a">`},
			"declared xml":         {"<samlp:Status>", `<samlp:Status xmlns:xml="urn:a">`},
			"undeclared prefix":    {"<samlp:Status>", `<samlp:Status a:b="c">`},
			"undeclared element":   {"<samlp:Status>", `<a:b/><samlp:Status>`},
			"undone prefix":        {"<samlp:Status>", `<samlp:Status xmlns:saml="">`},
			"attribute twice":      {"<samlp:Status>", `<samlp:Status a="1" a="2">`},
			"attribute shadowed":   {"<saml:NameID ", `<saml:NameID saml:Format="urn:a" `},
			"letters of elsewhere": {"<samlp:Status>", `<samlp:Status ａ="1">`},
		} {
			t.Run(name, func(t *testing.T) {
				refuse(t, config(p), fieldOf(strings.Replace(good, change[0], change[1], 1)), "refused")
			})
		}
		// A signed text that other parsers turn into something else comes back to the letter.
		for _, name := range []string{"]]&gt;a", "a&amp;lt;b", "a&#x41;", "ä", "a&quot;'b", "x&#x1F600;"} {
			root := p.signed(t, ">alice<", ">"+name+"<", "alice@example.org", "no address")
			want := child(child(child(root, "Assertion"), "Subject"), "NameID").Text()
			if a := accept(t, config(p), field(t, root)); a.NameID != want {
				t.Errorf("NameID %q, want %q", a.NameID, want)
			}
		}
	})
	t.Run("M23", func(t *testing.T) {
		encrypted := `<saml:EncryptedAssertion><xenc:EncryptedData xmlns:xenc="http://www.w3.org/2001/04/xmlenc#"/></saml:EncryptedAssertion>`
		for name, root := range map[string]string{
			"instead of an assertion": strings.Replace(answerXML, answerXML[strings.Index(answerXML, "<saml:Assertion"):strings.Index(answerXML, "</samlp:Response>")], encrypted, 1),
			"beside a signed one":     strings.Replace(good, "</samlp:Response>", encrypted+"</samlp:Response>", 1),
			"in the status":           strings.Replace(good, "</samlp:Status>", `<xenc:EncryptedKey xmlns:xenc="http://www.w3.org/2001/04/xmlenc#"/></samlp:Status>`, 1),
		} {
			t.Run(name, func(t *testing.T) { refuse(t, config(p), fieldOf(root), "encrypted") })
		}
		name := p.signed(t, `<saml:NameID Format="urn:oasis:names:tc:SAML:2.0:nameid-format:persistent">alice</saml:NameID>`, `<saml:EncryptedID/>`)
		refuse(t, config(p), field(t, name), "encrypted")
	})
}

// testBounded wants an answer refused before much is kept of it. The bound is far above what it takes, and far below what it
// would take to do what the document asks for.
func testBounded(t *testing.T, c Config, answer []byte, why string) {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	refuse(t, c, answer, why)
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; used > 32<<20 {
		t.Errorf("refused after %d bytes", used)
	}
}

// testCost compares what bad answers cost with what a good one does: whoever is no user of anybody may send them. Some are
// beyond the bounds, others within all of them and as bad as can be then, under the signature of a genuine answer.
func testCost(t *testing.T, p *identityIssuer, good string) {
	prefixes := manyPrefixes(maxPrefixes - 8)
	used := ""
	for i := range maxAttributes - 1 {
		used += fmt.Sprintf(` a%d:u%d=""`, i%(maxPrefixes-8), i)
	}
	extended := func(extra string) string {
		text := strings.Replace(good, "<samlp:Response ", "<samlp:Response"+prefixes+" ", 1)
		return strings.Replace(text, "</samlp:Status>", "</samlp:Status><samlp:Extensions>"+extra+"</samlp:Extensions>", 1)
	}
	elements := maxNodes - 200
	c := config(ecOther(), rsa2048(), p)
	usual := cost(t, func() { accept(t, c, fieldOf(good)) })
	for name, text := range map[string]string{
		"attributes with a prefix": `<samlp:Response xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol"` + strings.ReplaceAll(manyAttributes(9_500), " a", " p:a") + ` xmlns:p="u"/>`,
		"elements with a prefix": "<samlp:Response" + manyAttributes(4_000) + ` xmlns:p="u" xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol">` +
			strings.Repeat(`<p:a p:b=""/>`, 2_900) + "</samlp:Response>",
		"many elements":     extended(strings.Repeat("<b/>", 9_000)),
		"elements in bound": extended(strings.Repeat("<b/>", elements)),
		"prefixes in bound": extended(strings.Repeat("<a0:b/>", elements)),
		"names in bound":    extended(strings.Repeat("<b"+used+"/>", elements/maxAttributes)),
		"depth in bound":    extended(strings.Repeat("<b"+used+">", 40) + strings.Repeat("</b>", 40)),
	} {
		t.Run(name, func(t *testing.T) {
			answer := fieldOf(text)
			took := cost(t, func() {
				if a, err := Verify(c, answer, requestID, now); err == nil && a.UID != alice.UID {
					t.Errorf("uid %q", a.UID)
				}
			})
			t.Logf("%.1f times a good answer, which takes %v", float64(took)/float64(usual), usual)
			if took > 30*usual {
				t.Errorf("took %v, and a good answer %v", took, usual)
			}
		})
	}
	if a := accept(t, c, fieldOf(extended(strings.Repeat("<b/>", elements)))); a.UID != alice.UID {
		t.Errorf("uid %q", a.UID)
	}
}

// cost is the least time of a processor that something takes in five tries: what else the machine does must not count.
func cost(t *testing.T, f func()) time.Duration {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	least := time.Duration(math.MaxInt64)
	for range 5 {
		start := processorTime(t)
		f()
		least = min(least, processorTime(t)-start)
	}
	return least
}

// processorTime is what this thread has used.
func processorTime(t *testing.T) time.Duration {
	t.Helper()
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &now); err != nil {
		t.Fatal(err)
	}
	return time.Duration(now.Nano())
}

func laughs() string {
	var b strings.Builder
	b.WriteString(`<!DOCTYPE lolz [<!ENTITY l0 "lol">`)
	for i := 1; i < 10; i++ {
		fmt.Fprintf(&b, `<!ENTITY l%d "%s">`, i, strings.Repeat(fmt.Sprintf("&l%d;", i-1), 10))
	}
	return b.String() + "]>"
}

func manyAttributes(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, ` a%d=""`, i)
	}
	return b.String()
}

func manyPrefixes(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, ` xmlns:a%d="urn:a"`, i)
	}
	return b.String()
}

// TestHostileConditions is about good assertions that are not for us, not for now, or not in answer to what was asked.
func TestHostileConditions(t *testing.T) {
	p := ec()
	t.Run("M16", func(t *testing.T) {
		refuse(t, config(p), field(t, p.signed(t, ` InResponseTo="`+requestID+`"`, "")), "does not belong to the login")
		refuse(t, config(p), field(t, p.signed(t, requestID, "id-of-another-request")), "does not belong to the login")
		refuse(t, config(p), field(t, p.signed(t, ` InResponseTo="`+requestID+`"/>`, `/>`)), "does not belong to the login")
		if a, err := Verify(config(p), field(t, p.signed(t, ` InResponseTo="`+requestID+`"`, "")), "", now); err == nil {
			t.Errorf("no request was made, and %+v accepted", a)
		}
		response := p.signed(t)
		response.RemoveAttr("InResponseTo")
		refuse(t, config(p), field(t, response), "does not belong to the login")
	})
	t.Run("M17", func(t *testing.T) { testConditions(t, p) })
	t.Run("M18", func(t *testing.T) {
		for _, method := range []string{"urn:oasis:names:tc:SAML:2.0:cm:sender-vouches", "urn:oasis:names:tc:SAML:2.0:cm:holder-of-key", "", "BEARER"} {
			refuse(t, config(p), field(t, p.signed(t, bearer, method)), "bearer")
		}
		refuse(t, config(p), field(t, p.signed(t, "saml:SubjectConfirmation ", "saml:Confirmation ", "</saml:SubjectConfirmation>", "</saml:Confirmation>")), "bearer")
	})
}

func testConditions(t *testing.T, p *identityIssuer) {
	const audience = `<saml:AudienceRestriction><saml:Audience>https://dcos.example/acs/api/v1/auth/saml/providers/adfs/sp-metadata</saml:Audience></saml:AudienceRestriction>`
	const acs = `https://dcos.example/acs/api/v1/auth/saml/providers/adfs/acs-callback`
	for name, c := range map[string]struct {
		why     string
		changes []string
	}{
		"another audience":             {"another service provider", []string{"sp-metadata", "sp-metadata/"}},
		"the audience in another case": {"another service provider", []string{"adfs/sp-metadata", "ADFS/sp-metadata"}},
		"no audience":                  {"no AudienceRestriction", []string{audience, ""}},
		"empty audience":               {"another service provider", []string{audience, "<saml:AudienceRestriction/>"}},
		"two restrictions":             {"another service provider", []string{audience, audience + `<saml:AudienceRestriction><saml:Audience>https://other.example</saml:Audience></saml:AudienceRestriction>`}},
		"unknown condition":            {"not understood", []string{audience, audience + `<saml:Condition/>`}},
		"another recipient":            {"another recipient", []string{`Recipient="` + acs, `Recipient="` + acs + "/"}},
		"no recipient":                 {"another recipient", []string{` Recipient="` + acs + `"`, ""}},
		"another destination":          {"another place", []string{`Destination="` + acs, `Destination="https://other.example`}},
		"empty destination":            {"another place", []string{`Destination="` + acs + `"`, `Destination=""`}},
		"another issuer":               {"another identity provider", []string{"https://idp.example/metadata", "https://idp.example/other"}},
		"no issuer":                    {"another identity provider", []string{"<saml:Issuer>https://idp.example/metadata</saml:Issuer>", ""}},
		"no status":                    {"no status", []string{`<samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Success"/>`, ""}},
		"no conditions":                {"conditions", []string{"saml:Conditions", "saml:Advice"}},
		"no login":                     {"authentication", []string{"saml:AuthnStatement", "saml:Statement"}},
		"another version":              {"2.0", []string{`Version="2.0"`, `Version="2.1"`}},
		"no end of confirmation":       {"until when", []string{`SubjectConfirmationData NotOnOrAfter="2026-11-22T12:05:00Z"`, `SubjectConfirmationData`}},
		"confirmation of later":        {"not valid yet", []string{`SubjectConfirmationData `, `SubjectConfirmationData NotBefore="2026-11-22T12:01:01Z" `}},
		"no time":                      {"well-formed", []string{"2026-11-22T12:05:00Z", "soon"}},
		"a time zone":                  {"has expired", []string{"2026-11-22T12:05:00Z", "2026-11-22T12:05:00+02:00"}},
		"failed":                       {"did not authenticate", []string{"status:Success", "status:Responder"}},
	} {
		t.Run(name, func(t *testing.T) { refuse(t, config(p), field(t, p.signed(t, c.changes...)), c.why) })
	}
	// Both edges of every time, at a skew of one minute.
	for name, c := range map[string]struct{ old, edge, beyond string }{
		"NotBefore":           {`NotBefore="2026-11-22T11:59:30Z"`, `NotBefore="2026-11-22T12:01:00Z"`, `NotBefore="2026-11-22T12:01:00.001Z"`},
		"NotOnOrAfter":        {`Conditions NotBefore="2026-11-22T11:59:30Z" NotOnOrAfter="2026-11-22T12:05:00Z"`, `Conditions NotOnOrAfter="2026-11-22T11:59:00.001Z"`, `Conditions NotOnOrAfter="2026-11-22T11:59:00Z"`},
		"of the confirmation": {`ConfirmationData NotOnOrAfter="2026-11-22T12:05:00Z"`, `ConfirmationData NotOnOrAfter="2026-11-22T11:59:00.001Z"`, `ConfirmationData NotOnOrAfter="2026-11-22T11:59:00Z"`},
		"of the session":      {`SessionNotOnOrAfter="2026-11-22T20:00:00Z"`, `SessionNotOnOrAfter="2026-11-22T11:59:00.001Z"`, `SessionNotOnOrAfter="2026-11-22T11:59:00Z"`},
	} {
		t.Run(name, func(t *testing.T) {
			accept(t, config(p), field(t, p.signed(t, c.old, c.edge)))
			refuse(t, config(p), field(t, p.signed(t, c.old, c.beyond)), "")
		})
	}
}

// TestHostileMetadata is about what a configuration may lack: never the signature.
func TestHostileMetadata(t *testing.T) {
	p, other, old := ec(), ecOther(), expired()
	with := func(children ...string) Config {
		c := config()
		c.Metadata = metadataWith(append(children, redirectService)...)
		return c
	}
	t.Run("M13", func(t *testing.T) {
		for name, c := range map[string]Config{
			"without use":               with(p.keyDescriptor("")),
			"for signing":               with(p.keyDescriptor(` use="signing"`)),
			"two":                       with(other.keyDescriptor(` use="signing"`), p.keyDescriptor(` use="signing"`)),
			"beside one for encryption": with(other.keyDescriptor(` use="encryption"`), p.keyDescriptor("")),
		} {
			t.Run(name, func(t *testing.T) {
				accept(t, c, field(t, p.signed(t)))
				refuse(t, c, field(t, edited(t)), "not signed")
				refuse(t, c, field(t, old.signed(t)), "not by a certificate")
			})
		}
		t.Run("none", func(t *testing.T) {
			for _, c := range []Config{with(), with(p.keyDescriptor(` use="encryption"`))} {
				refuse(t, c, field(t, edited(t)), "no certificate for signatures")
				refuse(t, c, field(t, p.signed(t)), "no certificate for signatures")
			}
		})
		t.Run("for encryption only", func(t *testing.T) {
			refuse(t, with(other.keyDescriptor(` use="encryption"`), p.keyDescriptor(` use="signing"`)), field(t, other.signed(t)), "not by a certificate")
		})
		t.Run("expired", func(t *testing.T) {
			accept(t, with(old.keyDescriptor("")), field(t, old.signed(t)))
			refuse(t, with(old.keyDescriptor("")), field(t, edited(t)), "not signed")
		})
		t.Run("rollover", func(t *testing.T) {
			c := with(p.keyDescriptor(""), other.keyDescriptor(""))
			accept(t, c, field(t, p.signed(t)))
			accept(t, c, field(t, other.signed(t)))
			accept(t, c, field(t, p.sign(t, other.signed(t))))
		})
	})
}
