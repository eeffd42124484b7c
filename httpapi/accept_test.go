package httpapi

import (
	"net/http"
	"net/netip"
	"testing"
)

func TestAcceptMustAdmitJSON(t *testing.T) {
	for value, want := range map[string]bool{
		"": true, "*/*": true, "application/*": true, "application/json": true, "APPLICATION/JSON": true,
		"text/html, */*;q=0.1": true, "application/json; charset=utf-8": true, "*": true, "text/html, *; q=.2, */*; q=.2": true,
		"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8": true,
		"text/html": false, "application/xml": false, "*/*;q=0": false, "application/json;q=0": false,
		"application/json;q=0, */*": false, "application/*;q=0, */*": false, "application/json, */*;q=0": true,
		"json": false, "application/json;q=x": false, "application/json;q=2": false, "application/json;q=NaN": false,
	} {
		if got := acceptsJSON([]string{value}); got != want {
			t.Errorf("Accept: %s: got %v, want %v", value, got, want)
		}
	}
	if !acceptsJSON(nil) || !acceptsJSON([]string{"text/html", "*/*"}) {
		t.Error("an absent header, or a second one that admits JSON, was refused")
	}
}

func TestClientAddressIsTheRightmostHopThatIsNotTrusted(t *testing.T) {
	trusted := proxies{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("::1/128")}
	for _, c := range []struct {
		remote string
		xff    []string
		want   string
	}{
		{"192.0.2.1:5", nil, "192.0.2.1"},
		{"192.0.2.1:5", []string{"198.51.100.1"}, "192.0.2.1"},
		{"127.0.0.1:5", nil, "127.0.0.1"},
		{"127.0.0.1:5", []string{"198.51.100.1"}, "198.51.100.1"},
		{"127.0.0.1:5", []string{"203.0.113.9, 198.51.100.1"}, "198.51.100.1"},
		{"127.0.0.1:5", []string{"203.0.113.9", "198.51.100.1, 10.1.2.3"}, "198.51.100.1"},
		{"127.0.0.1:5", []string{"10.9.9.9, 10.1.2.3"}, "10.9.9.9"},
		{"127.0.0.1:5", []string{"unknown, 10.1.2.3"}, "10.1.2.3"},
		{"127.0.0.1:5", []string{"198.51.100.1:443"}, "198.51.100.1"},
		{"127.0.0.1:5", []string{`"[2001:db8::1]:443"`}, "2001:db8::1"},
		{"127.0.0.1:5", []string{"[2001:db8::1]"}, "2001:db8::1"},
		{"[::1]:5", []string{"::ffff:192.0.2.7"}, "192.0.2.7"},
		{"127.0.0.1:5", []string{"198.51.100.1,"}, "127.0.0.1"},
		{"127.0.0.1:5", []string{"", "198.51.100.1"}, "198.51.100.1"},
		{"@", nil, "invalid IP"},
	} {
		r := &http.Request{RemoteAddr: c.remote, Header: http.Header{}}
		if c.xff != nil {
			r.Header["X-Forwarded-For"] = c.xff
		}
		if got := trusted.client(r).String(); got != c.want {
			t.Errorf("%s, X-Forwarded-For %q: got %s, want %s", c.remote, c.xff, got, c.want)
		}
	}
}
