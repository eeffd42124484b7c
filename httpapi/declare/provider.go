package declare

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"gatehouse/fsm/fault"
	"gatehouse/fsm/iam"
	"gatehouse/httpapi/provider"
)

// Provider is an identity provider. Which members it has follows from its type.
type Provider struct {
	ID          string  `json:"id"`
	Type        string  `json:"type"` // oidc or saml
	Description *string `json:"description,omitzero"`

	Issuer   string `json:"issuer,omitzero"`
	BaseURL  string `json:"base_url,omitzero"`
	ClientID string `json:"client_id,omitzero"`
	// ClientSecret is needed to create a provider. It is never exported, and one that exists keeps its own.
	ClientSecret string `json:"client_secret,omitzero"`
	// VerifyServerCertificate is true when nil.
	VerifyServerCertificate *bool  `json:"verify_server_certificate,omitzero"`
	CACerts                 string `json:"ca_certs,omitzero"`

	Metadata  string `json:"idp_metadata,omitzero"`
	SPBaseURL string `json:"sp_base_url,omitzero"`

	At Position `json:"-"`
}

// String keeps the client secret out of a %v.
func (p Provider) String() string { return p.Type + " provider " + p.ID + " [redacted]" }

// GoString does the same for %#v.
func (p Provider) GoString() string { return p.String() }

// ProviderOf is the declaration of a record, without its client secret.
func ProviderOf(p *iam.Provider) Provider {
	d := Provider{ID: p.ID, Type: p.Type(), Description: &p.Description}
	if p.SAML != nil {
		d.Metadata, d.SPBaseURL = p.SAML.Metadata, p.SAML.BaseURL
		return d
	}
	d.Issuer, d.BaseURL, d.ClientID, d.CACerts = p.OIDC.Issuer, p.OIDC.BaseURL, p.OIDC.ClientID, p.OIDC.CACerts
	if p.OIDC.Insecure {
		d.VerifyServerCertificate = new(bool)
	}
	return d
}

// Record is the record of a declaration, with its client secret sealed if it has one, or what is wrong with the declaration.
func (p *Provider) Record(keys provider.Sealer) (*iam.Provider, error) {
	if p.Type != iam.OIDC && p.Type != iam.SAML {
		return nil, fault.New(fault.InvalidData, "type %s: want oidc or saml", quoted(p.Type))
	}
	if name := p.stranger(); name != "" {
		return nil, fault.New(fault.InvalidData, "a provider of type %s has no %s", p.Type, name)
	}
	record := p.record(keys)
	checked := *record
	if record.OIDC != nil && p.ClientSecret == "" { // it may exist, and keep its own
		oidc := *record.OIDC
		oidc.SealedSecret = []byte{0}
		checked.OIDC = &oidc
	}
	return record, provider.Check(&checked)
}

func (p *Provider) record(keys provider.Sealer) *iam.Provider {
	if p.Type == iam.SAML {
		c := provider.SAML{Description: value(p.Description), Metadata: p.Metadata, BaseURL: p.SPBaseURL}
		return c.Record(p.ID, nil)
	}
	c := provider.OIDC{Description: value(p.Description), Issuer: p.Issuer, BaseURL: p.BaseURL, ClientID: p.ClientID,
		ClientSecret: p.ClientSecret, VerifyServerCertificate: p.VerifyServerCertificate, CACerts: p.CACerts}
	return c.Record(p.ID, nil, keys)
}

// stranger names a member that is set and belongs to providers of the other type, or "".
func (p *Provider) stranger() string {
	other := *p
	other.Type = iam.SAML
	if p.Type == iam.SAML {
		other.Type = iam.OIDC
		if p.ClientSecret != "" {
			return "client_secret"
		}
	}
	for _, m := range other.members() {
		if *m.text != "" {
			return m.name
		}
	}
	return ""
}

// members are the names and texts of the members that a provider of the type has, in the order in which they are written.
func (p *Provider) members() []member {
	if p.Type == iam.SAML {
		return []member{{"sp_base_url", &p.SPBaseURL}, {"idp_metadata", &p.Metadata}}
	}
	return []member{{"issuer", &p.Issuer}, {"base_url", &p.BaseURL}, {"client_id", &p.ClientID}, {"ca_certs", &p.CACerts}}
}

type member struct {
	name string
	text *string
}

// verifies reports whether the provider's certificate is verified.
func (p *Provider) verifies() bool {
	return p.VerifyServerCertificate == nil || *p.VerifyServerCertificate
}

func (r *reader) providers(d *Document, n *yaml.Node) {
	grow(&d.Providers)
	r.list(n, func(n *yaml.Node) {
		p := Provider{At: r.at(n)}
		fields := fields{
			"id": r.text(&p.ID), "type": r.text(&p.Type), "description": r.optional(&p.Description),
			"issuer": r.text(&p.Issuer), "base_url": r.text(&p.BaseURL), "client_id": r.text(&p.ClientID),
			"client_secret": r.text(&p.ClientSecret), "ca_certs": r.text(&p.CACerts), "verify_server_certificate": r.boolean(&p.VerifyServerCertificate),
			"idp_metadata": r.text(&p.Metadata), "sp_base_url": r.text(&p.SPBaseURL),
		}
		if r.mapping(n, "a provider", fields) {
			r.checkProvider(&p)
			d.Providers = append(d.Providers, p)
		}
	})
}

func (r *reader) checkProvider(p *Provider) {
	if _, err := p.Record(Unsealed{}); err != nil {
		r.wrong.add(p.At, "provider %s: %s", quoted(p.ID), said(err))
	}
}

// Unsealed takes the place of a key ring where a record is checked and thrown away.
type Unsealed struct{}

// Seal returns one byte.
func (Unsealed) Seal(string, []byte, []byte) []byte { return []byte{0} }

func checkProviders(d *Document, wrong *Problems) {
	ids := newOnce("the provider", wrong)
	for _, p := range d.Providers {
		ids.add(p.ID, p.At)
	}
}

func (p *planner) providers() {
	for i := range p.want.Providers {
		p.provider(&p.want.Providers[i])
	}
	for _, id := range sorted(p.have.providers) {
		if p.named.providers[id] == nil {
			p.drop(dropProviders, p.want.Providers != nil, "provider", id, Change{Provider: &Provider{ID: id, Type: p.have.providers[id].Type}})
		}
	}
}

func (p *planner) provider(want *Provider) {
	change := *want
	s := Step{Verb: Create, Kind: "provider", Name: want.ID, At: want.At, Change: Change{Provider: &change}}
	have := p.have.providers[want.ID]
	switch {
	case have == nil && want.Type == iam.OIDC && want.ClientSecret == "":
		p.plan.Wrong.add(want.At, "provider %s: client_secret is needed to create it", quoted(want.ID))
	case have == nil:
		p.step(makeProviders, s)
	case have.Type != want.Type:
		p.plan.Wrong.add(want.At, "provider %s: its type is %s in the cluster and cannot change", quoted(want.ID), have.Type)
	default:
		change.ClientSecret = ""
		description := s.describe(want.Description, have.Description)
		change.Description = &description
		s.compare(want, have)
		p.update(makeProviders, s)
	}
}

// compare notes what differs. Certificates and metadata are too long to be shown.
func (s *Step) compare(want, have *Provider) {
	there := have.members()
	for i, m := range want.members() {
		switch was := *there[i].text; {
		case strings.TrimSpace(was) == strings.TrimSpace(*m.text):
		case slices.Contains([]string{"idp_metadata", "ca_certs"}, m.name):
			s.Details = append(s.Details, m.name+": another text")
		default:
			s.differ(m.name, was, *m.text)
		}
	}
	if want.Type == iam.OIDC && want.verifies() != have.verifies() {
		s.Details = append(s.Details, map[bool]string{true: "verify_server_certificate: false → true", false: "verify_server_certificate: true → false"}[want.verifies()])
	}
}

func (p *Provider) node() *yaml.Node {
	m := mappingNode()
	m.text("id", p.ID)
	m.text("type", p.Type)
	m.optional("description", p.Description)
	for _, member := range p.members() {
		m.text(member.name, *member.text)
	}
	if !p.verifies() {
		m.put("verify_server_certificate", &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!bool", Value: "false"})
	}
	return (*yaml.Node)(m)
}
