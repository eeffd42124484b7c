package rig

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"os"
	"slices"
	"strings"
	"time"
)

// configure writes the configuration of the server, for the URL that it has now.
func (s *SimpleSAML) configure() error {
	values := strings.NewReplacer("URL", s.URL, "DIR", s.dir, "SHARE", simpleSAMLDir)
	return errors.Join(
		os.WriteFile(s.path("config", "config.php"), []byte(values.Replace(simpleSAMLConfig)), 0o600),
		os.WriteFile(s.path("metadata", "saml20-sp-remote.php"), []byte(values.Replace(simpleSAMLPeers)), 0o600),
	)
}

const simpleSAMLConfig = `<?php
$config = [
	'baseurlpath' => 'URL',
	'certdir' => 'DIR/cert/', 'loggingdir' => 'DIR/log/', 'datadir' => 'DIR/data/', 'tempdir' => 'DIR/tmp', 'metadatadir' => 'DIR/metadata/',
	'attributenamemapdir' => '/etc/simplesamlphp/attributemap/',
	'technicalcontact_name' => 'Nobody', 'technicalcontact_email' => 'nobody@example.org', 'timezone' => 'UTC',
	'secretsalt' => 'salt-of-a-test', 'auth.adminpassword' => 'unused-in-tests',
	'logging.level' => SimpleSAML\Logger::DEBUG, 'logging.handler' => 'file', 'logging.logfile' => 'simplesamlphp.log',
	'enable.saml20-idp' => true, 'module.enable' => ['exampleauth' => true, 'core' => true, 'saml' => true],
	'store.type' => 'phpsession', 'session.phpsession.savepath' => 'DIR/sessions', 'session.phpsession.cookiename' => 'IdPSession',
	'session.cookie.secure' => false, 'session.cookie.samesite' => null, 'language.cookie.secure' => false, 'language.cookie.samesite' => null,
	'language.available' => ['en'], 'language.default' => 'en', 'theme.use' => 'default', 'production' => true,
	'authproc.idp' => [], 'authproc.sp' => [],
	'metadata.sources' => [['type' => 'flatfile']],
	'signature.algorithm' => 'http://www.w3.org/2001/04/xmldsig-more#rsa-sha256',
];
`

// simpleSAMLPeers reads the metadata of service providers as an administrator of SimpleSAMLphp has it converted.
const simpleSAMLPeers = `<?php
foreach (glob('DIR/sp/*.xml') as $file) {
	$entity = SimpleSAML\Metadata\SAMLParser::parseString(file_get_contents($file))->getMetadata20SP();
	$metadata[$entity['entityid']] = $entity;
}
`

// Configure makes the running identity provider answer in another way.
func (s *SimpleSAML) Configure(o SAMLOptions) error {
	hosted := map[string]string{
		"host": "'__DEFAULT__'", "auth": "'users'",
		"privatekey": fmt.Sprintf("'key%d.pem'", o.Key), "certificate": fmt.Sprintf("'key%d.crt'", o.Key),
		"saml20.sign.response": fmt.Sprint(o.SignResponse),
	}
	if o.NameID != "" {
		hosted["simplesaml.nameidattribute"] = "'" + o.NameID + "'"
	}
	if o.BothKeys {
		hosted["new_privatekey"], hosted["new_certificate"] = fmt.Sprintf("'key%d.pem'", 1-o.Key), fmt.Sprintf("'key%d.crt'", 1-o.Key)
	}
	return errors.Join(
		os.WriteFile(s.path("metadata", "saml20-idp-hosted.php"), []byte("<?php\n$metadata['"+s.URL+"'] = "+phpMap(hosted)+";\n"), 0o600),
		os.WriteFile(s.path("config", "authsources.php"), []byte("<?php\n$config = ['users' => "+phpUsers(o.Users)+"];\n"), 0o600),
	)
}

func phpMap(m map[string]string) string {
	var b strings.Builder
	b.WriteString("[\n")
	for _, key := range slices.Sorted(maps.Keys(m)) {
		fmt.Fprintf(&b, "\t'%s' => %s,\n", key, m[key])
	}
	return b.String() + "]"
}

// phpUsers is the configuration of exampleauth:UserPass.
func phpUsers(list []SAMLUser) string {
	var b strings.Builder
	b.WriteString("['exampleauth:UserPass',\n")
	for _, u := range list {
		attributes := map[string]string{}
		for name, values := range u.Attributes {
			attributes[name] = "['" + strings.Join(values, "', '") + "']"
		}
		fmt.Fprintf(&b, "'%s:%s' => %s,\n", u.Name, u.Password, phpMap(attributes))
	}
	return b.String() + "]"
}

// makeKeys makes the two keys of the identity provider, each with its certificate.
func (s *SimpleSAML) makeKeys() error {
	for i := range 2 {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			return err
		}
		template := &x509.Certificate{SerialNumber: big.NewInt(int64(i + 1)), Subject: pkix.Name{CommonName: fmt.Sprintf("identity provider, key %d", i)},
			NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(1, 0, 0)}
		der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
		if err != nil {
			return err
		}
		err = errors.Join(
			os.WriteFile(s.path("cert", fmt.Sprintf("key%d.crt", i)), pemBlock("CERTIFICATE", der), 0o600),
			os.WriteFile(s.path("cert", fmt.Sprintf("key%d.pem", i)), pemBlock("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(key)), 0o600),
		)
		if err != nil {
			return err
		}
	}
	return nil
}
