// The OpenID provider of Gatehouse's tests: oidc-provider over TLS. Its arguments are where that is installed, and a JSON
// file that configures it.
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';

const [, , installed, config] = process.argv;
const { default: Provider } = await import(`${installed}/node_modules/oidc-provider/lib/index.js`);
const o = JSON.parse(readFileSync(config, 'utf8'));

const provider = new Provider(o.issuer, {
  clients: o.clients,
  jwks: o.jwks,
  cookies: { keys: ['the cookies of a test'] },
  claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name'] },
  conformIdTokenClaims: !o.claimsInIDToken,
  // The login form takes any password; an account that is not listed has no claims but its name.
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, ...o.accounts?.[id] }) }),
  pkce: { methods: ['S256'], required: () => true },
  features: { devInteractions: { enabled: true } },
  ttl: { AccessToken: 600, AuthorizationCode: 60, Grant: 600, IdToken: 600, Interaction: 600, Session: 600 },
});

provider.on('server_error', (_, error) => console.error(error));

const server = createServer({ key: readFileSync(o.key), cert: readFileSync(o.cert) }, provider.callback());
server.on('error', (error) => {
  console.error(String(error));
  process.exit(1);
});
server.listen(o.port, '127.0.0.1');
