package httpapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"gatehouse/fsm/fault"
)

func TestStrictJSONRefusesWhatDecodersForgive(t *testing.T) {
	for name, doc := range map[string]string{
		"empty":                     ``,
		"blank":                     " \n",
		"truncated":                 `{"a":1`,
		"truncated string":          `{"a":"`,
		"truncated escape":          `{"a":"\u00`,
		"duplicate":                 `{"a":1,"a":2}`,
		"duplicate by escape":       `{"a":1,"\u0061":2}`,
		"nested duplicate":          `{"x":[{"a":1,"a":2}]}`,
		"duplicate but for case":    `{"uid":"x","UID":"y"}`,
		"Kelvin sign":               `{"k":1,"` + "\u212a" + `":2}`,
		"long s":                    `{"s":1,"` + "\u017f" + `":2}`,
		"trailing garbage":          `{} x`,
		"two documents":             `{}{}`,
		"NDJSON":                    "{}\n{}\n",
		"trailing comma":            `{"a":1,}`,
		"array trailing comma":      `{"a":[1,]}`,
		"single quotes":             `{'a':1}`,
		"comment":                   `{/**/}`,
		"NaN":                       `{"a":NaN}`,
		"leading zero":              `{"a":01}`,
		"plus":                      `{"a":+1}`,
		"bare point":                `{"a":1.}`,
		"bare exponent":             `{"a":1e}`,
		"infinite":                  `{"a":1e999999}`,
		"long number":               `{"a":` + strings.Repeat("1", 100) + `}`,
		"raw control":               "{\"a\":\"\x01\"}",
		"raw newline":               "{\"a\":\"\n\"}",
		"bad escape":                `{"a":"\x41"}`,
		"escaped NUL":               `{"a":"\u0000"}`,
		"NUL name":                  `{"\u0000":1}`,
		"raw NUL":                   "{\"a\":\"\x00\"}",
		"lone high":                 `{"a":"\ud800"}`,
		"lone low":                  `{"a":"\udc00"}`,
		"high without low":          `{"a":"\ud800\u0041"}`,
		"high then text":            `{"a":"\ud800x"}`,
		"invalid UTF-8":             "{\"a\":\"\xff\"}",
		"overlong UTF-8":            "{\"a\":\"\xc0\xaf\"}",
		"surrogate in UTF-8":        "{\"a\":\"\xed\xa0\x80\"}",
		"byte order mark":           "\ufeff{}",
		"too deep":                  strings.Repeat("[", 33) + strings.Repeat("]", 33),
		"100,000 deep":              strings.Repeat("[", 100_000),
		"too many members":          manyMembers(1001),
		"a million numbers":         "[" + strings.Repeat("1,", 1_000_000) + "1]",
		"no colon":                  `{"a" 1}`,
		"name that is no string":    `{1:1}`,
		"literal with another case": `{"a":True}`,
		"literal with a tail":       `{"a":truex}`,
	} {
		if _, err := parseJSON([]byte(doc), plain); !fault.Is(err, fault.Schema) {
			t.Errorf("%s: %.40q was accepted: %v", name, doc, err)
		}
	}
}

func manyMembers(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `,"k%d":%d`, i, i)
	}
	return "{" + b.String()[1:] + "}"
}

func TestStrictJSONAcceptsWhatIsValid(t *testing.T) {
	for _, doc := range []string{
		`{}`, " {} \r\n", `[]`, `null`, `"x"`, `-0`, `1.5e-7`, `{"a":{"b":[1,2,{"c":null}]}}`,
		`{"a":"\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00"}`, `{"a":"é😀"}`, manyMembers(1000),
		strings.Repeat("[", 32) + strings.Repeat("]", 32),
		`{"labels":{"a":1,"A":2}}`, // only the names of the top level are a struct's
	} {
		if _, err := parseJSON([]byte(doc), plain); err != nil {
			t.Errorf("%.60q: %v", doc, err)
		}
	}
}

func TestMembersAreDecodedNamesAndRawValues(t *testing.T) {
	got, err := parseJSON([]byte(`{ "\u0075id" : "x" , "n":[1, 2] }`), plain)
	if err != nil {
		t.Fatal(err)
	}
	want := []member{{"uid", []byte(`"x"`)}, {"n", []byte(`[1, 2]`)}}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(member{})); diff != "" {
		t.Error(diff)
	}
}

func TestSchemaViolationsSpeakAsTheOriginalDid(t *testing.T) {
	closed := &Schema{Closed: true, Members: []Member{
		{Name: "uid", Type: String, Required: true}, {Name: "n", Type: Integer}, {Name: "f", Type: Number},
		{Name: "b", Type: Bool}, {Name: "o", Type: Object}, {Name: "a", Type: Array}, {Name: "p", Type: String, Nullable: true},
	}}
	for doc, want := range map[string]string{
		`{"uid":"a","x":1}`:                   "Additional properties are not allowed ('x' was unexpected)",
		`{"uid":"a","x":1,"y":2}`:             "Additional properties are not allowed ('x', 'y' were unexpected)",
		`{"uid":"a","UID2":1}`:                "Additional properties are not allowed ('UID2' was unexpected)",
		`{"uid":"a","it's":1}`:                `Additional properties are not allowed ("it's" was unexpected)`,
		`{"uid":5}`:                           "5 is not of type 'string'",
		`{"uid":null}`:                        "None is not of type 'string'",
		`{"uid":true}`:                        "True is not of type 'string'",
		`{"uid":[1, "a", null]}`:              "[1, 'a', None] is not of type 'string'",
		`{"uid":{"a": 1}}`:                    "{'a': 1} is not of type 'string'",
		`{"uid":"a","n":1.5}`:                 "1.5 is not of type 'integer'",
		`{"uid":"a","n":"x"}`:                 "'x' is not of type 'integer'",
		`{"uid":"a","f":"\n\u0007\\"}`:        `'\n\x07\\' is not of type 'number'`,
		`{"uid":"a","b":0}`:                   "0 is not of type 'boolean'",
		`{"uid":"a","o":[]}`:                  "[] is not of type 'object'",
		`{"uid":"a","a":{}}`:                  "{} is not of type 'array'",
		`{"uid":"a","p":1}`:                   "1 is not of type 'string', 'null'",
		`{}`:                                  "'uid' is a required property",
		`{"uid":"a","p":null,"n":1,"f":1.5}`:  "",
		`{"uid":"a","b":false,"o":{},"a":[]}`: "",
	} {
		members, err := parseJSON([]byte(doc), plain)
		if err != nil {
			t.Fatal(err)
		}
		err = closed.check(members, false)
		if want == "" {
			if err != nil {
				t.Errorf("%s: %v", doc, err)
			}
			continue
		}
		if want = "SCHEMA: Unexpected JSON input. Hint: " + want; err == nil || err.Error() != want {
			t.Errorf("%s:\ngot  %v\nwant %s", doc, err, want)
		}
	}
}

func TestSchemaMessagesRepeatOnlyALittleOfTheBody(t *testing.T) {
	long := strings.Repeat("é", 5000)
	for _, err := range []error{
		violation("%s is not of type 'integer'", pyValue([]byte(`"`+long+`"`))),
		(&Schema{Closed: true}).check([]member{{long, nil}, {"b" + long, nil}}, false),
		needObject([]byte("["+strings.Repeat(`"x",`, 1000)+"1]"), false),
	} {
		if text := err.Error(); len(text) > 500 || !utf8.ValidString(text) {
			t.Errorf("got %d bytes: %q", len(text), text)
		}
	}
}

func TestDecodeMatchesNamesExactly(t *testing.T) {
	body := []byte(`{"UID":"mallory","Password":"x","password":"right"}`)
	members, err := parseJSON([]byte(`{"UID":"mallory","password":"right","extra":[1]}`), plain)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parseJSON(body, plain); err == nil {
		t.Errorf("%s: two spellings of one name were accepted", body)
	}
	r := &Request{JSON: true, Body: []byte(`{"UID":"mallory","password":"right","extra":[1]}`), members: members}
	var in struct {
		UID      *string `json:"uid"`
		Password string  `json:"password"`
	}
	if err := r.Decode(&in); err != nil {
		t.Fatal(err)
	}
	if in.UID != nil || in.Password != "right" {
		t.Errorf("got uid %v, password %q; want no uid, and right", in.UID, in.Password)
	}
}

func TestDecodeSaysWhichTypeIsWrong(t *testing.T) {
	r := &Request{JSON: true, Body: []byte(`{"n":"x"}`)}
	r.members, _ = parseJSON(r.Body, plain)
	var in struct {
		N int `json:"n"`
	}
	if err := r.Decode(&in); !fault.Is(err, fault.Schema) || !strings.Contains(err.Error(), "is not of type 'integer'") {
		t.Errorf("got %v", err)
	}
	if err := (&Request{}).Decode(&in); err != errNoJSON {
		t.Errorf("without JSON: got %v", err)
	}
}

func TestHostileJSONCostsLittle(t *testing.T) {
	// About 256 KiB each, the largest body of the IAM. The bound on time leaves room for the race detector.
	docs := map[string][]byte{
		"arrays":  []byte(strings.Repeat("[", 1<<18)),
		"objects": []byte(strings.Repeat(`{"a":`, 1<<16)),
		"members": []byte(manyMembers(20_000)),
		"numbers": []byte("[" + strings.Repeat("1,", 1<<17) + "1]"),
		"string":  []byte(`"` + strings.Repeat(`\u0041`, 1<<15) + `"`),
	}
	for name, doc := range docs {
		least, took := 1e9, time.Hour // at best of five: others use the machine too
		for range 5 {
			began := time.Now()
			least = min(least, testing.AllocsPerRun(1, func() { _, _ = parseJSON(doc, plain) }))
			took = min(took, time.Since(began)/2)
		}
		if took > 200*time.Millisecond || least > 20_000 {
			t.Errorf("%s: %d bytes took %v and %v allocations", name, len(doc), took, least)
		}
	}
}

// FuzzStrictJSON: whatever passes is valid JSON that encoding/json reads in the same way, and has no duplicate.
func FuzzStrictJSON(f *testing.F) {
	for _, seed := range []string{`{}`, `{"a":[1,-2.5e3,"x\u00e9\ud83d\ude00",null,true,{"b":{}}]}`, `{"a":1,"a":2}`, "\ufeff{}", `"\ud800"`, `[[[]]]`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		members, err := parseJSON(doc, plain)
		if err != nil {
			return
		}
		if !json.Valid(doc) {
			t.Fatalf("%q is not JSON", doc)
		}
		var want map[string]json.RawMessage
		if json.Unmarshal(doc, &want) != nil || want == nil {
			if members != nil {
				t.Fatalf("%q is no object but has members", doc)
			}
			return
		}
		if len(want) != len(members) {
			t.Fatalf("%q: %d members, want %d", doc, len(members), len(want))
		}
		for _, m := range members {
			if !bytes.Equal(bytes.TrimRight(want[m.name], jsonSpace), m.value) {
				t.Fatalf("%q: member %q is %q, want %q", doc, m.name, m.value, want[m.name])
			}
			_ = pyValue(m.value)
		}
	})
}

// plain are the limits of an ordinary row.
var plain = (&row{}).limits()
