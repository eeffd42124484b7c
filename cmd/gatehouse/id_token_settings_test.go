package main

import (
	"strings"
	"testing"
)

func TestIDTokenSettingsFollowTheEdition(t *testing.T) {
	for _, c := range []struct{ args, issuer, audience string }{
		{"", "", ""},
		{"--edition=open", dcosIssuer, dcosAudience},
		{"--edition=open --id-token-issuer= --id-token-audience=", "", ""},
		{"--id-token-issuer=https://idp.example.com --id-token-audience=me", "https://idp.example.com", "me"},
		{"--id-token-issuer=http://127.0.0.1:1/ --id-token-audience=me --allow-insecure-providers", "http://127.0.0.1:1/", "me"},
	} {
		cfg := mustLoad(t, nil, append(strings.Fields(c.args), "--expect=1")...)
		if cfg.IDTokenIssuer != c.issuer || cfg.IDTokenAudience != c.audience {
			t.Errorf("%q: issuer %q, audience %q; want %q, %q", c.args, cfg.IDTokenIssuer, cfg.IDTokenAudience, c.issuer, c.audience)
		}
	}
}

func TestHalfAnIDTokenSettingIsRefused(t *testing.T) {
	for _, args := range []string{
		"--id-token-issuer=https://idp.example.com", "--id-token-audience=me", "--edition=open --id-token-audience=me",
		"--id-token-issuer= --id-token-audience=me", "--id-token-issuer=http://idp.example.com --id-token-audience=me",
		"--id-token-issuer=idp --id-token-audience=me",
	} {
		var wrong problems
		cfg := config{Edition: "enterprise", IDTokenIssuer: "auto", IDTokenAudience: "auto"}
		for _, arg := range strings.Fields(args) {
			switch name, value, _ := strings.Cut(strings.TrimPrefix(arg, "--"), "="); name {
			case "id-token-issuer":
				cfg.IDTokenIssuer = value
			case "id-token-audience":
				cfg.IDTokenAudience = value
			case "edition":
				cfg.Edition = value
			}
		}
		if cfg.checkIDTokens(&wrong); len(wrong) == 0 {
			t.Errorf("%q: nothing is wrong", args)
		}
	}
}
