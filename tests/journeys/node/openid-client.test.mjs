// Journeys of openid-client, unpatched.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import * as client from 'openid-client';
import { Application, Jar, api, issuer, made } from './support.mjs';

const scope = 'openid profile email offline_access orders:read';
let application;

before(async () => {
  application = await new Application().start();
});
after(() => application.stop());

/** Discovery, with signatures verified and http allowed on this loopback address. */
function discover(id, authentication) {
  const execute = [client.allowInsecureRequests, client.enableNonRepudiationChecks];
  return client.discovery(new URL(issuer()), id, undefined, authentication, { execute });
}

/** An authorization request, and what its answer must fit. */
async function begin(config, changes = {}) {
  const checks = {
    pkceCodeVerifier: client.randomPKCECodeVerifier(),
    expectedState: client.randomState(),
    expectedNonce: client.randomNonce(),
    idTokenExpected: true,
  };
  const url = client.buildAuthorizationUrl(config, {
    redirect_uri: application.redirectUri,
    scope,
    state: checks.expectedState,
    nonce: checks.expectedNonce,
    code_challenge: await client.calculatePKCECodeChallenge(checks.pkceCodeVerifier),
    code_challenge_method: 'S256',
    ...changes,
  });
  return { url, checks };
}

async function logIn(config, jar = new Jar()) {
  const { url, checks } = await begin(config);
  const { left } = await jar.logIn(url);
  return client.authorizationCodeGrant(config, left, checks);
}

async function refused(work, code) {
  await assert.rejects(work, (error) => {
    assert.equal(error.error, code, String(error));
    return true;
  });
}

test('discovery tells what a client needs', async () => {
  const metadata = (await discover('web', client.None())).serverMetadata();
  assert.equal(metadata.issuer, issuer());
  assert.equal(metadata.supportsPKCE(), true);
  assert.equal(metadata.authorization_response_iss_parameter_supported, true);
});

test('a person logs in with PKCE; the client reads userinfo, refreshes, and signs out', async () => {
  const config = await discover('web', client.None());
  const jar = new Jar();
  const tokens = await logIn(config, jar);
  const claims = tokens.claims();
  assert.equal(claims.email, 'ada@example.com');
  assert.equal(claims.name, 'Ada Lovelace');
  assert.ok(tokens.expiresIn() > 0);

  const userinfo = await client.fetchUserInfo(config, tokens.access_token, claims.sub);
  assert.equal(userinfo.name, 'Ada Lovelace');
  assert.equal(typeof userinfo.email_verified, 'boolean');
  assert.equal(typeof userinfo.updated_at, 'number');

  const fresh = await client.refreshTokenGrant(config, tokens.refresh_token);
  assert.notEqual(fresh.refresh_token, tokens.refresh_token);
  assert.equal(fresh.claims().sub, claims.sub);

  const url = client.buildEndSessionUrl(config, {
    id_token_hint: fresh.id_token,
    post_logout_redirect_uri: `${application.origin}/bye`,
    state: 'good night',
  });
  const { left } = await jar.open(url);
  assert.equal(left.pathname, '/bye');
  assert.equal(left.searchParams.get('state'), 'good night');
  const again = await jar.open((await begin(config)).url);
  assert.match(again.body, /id="login-form"/);
});

test('a second login in the same browser asks nothing, and prompt=none works', async () => {
  const config = await discover('web', client.None());
  const jar = new Jar();
  await logIn(config, jar);
  const { url, checks } = await begin(config, { prompt: 'none' });
  const { left } = await jar.open(url);
  const tokens = await client.authorizationCodeGrant(config, left, checks);
  assert.ok(tokens.id_token);

  const stranger = await begin(config, { prompt: 'none' });
  const answer = await new Jar().open(stranger.url);
  await refused(client.authorizationCodeGrant(config, answer.left, stranger.checks), 'login_required');
});

test('form_post brings the code in the body', async () => {
  const config = await discover('web', client.None());
  const { url, checks } = await begin(config, { response_mode: 'form_post' });
  const page = await new Jar().logIn(url);
  const { action, fields } = Jar.form(page, 'form-post');
  assert.equal(String(action), application.redirectUri);
  const request = new Request(action, { method: 'POST', body: fields });
  const tokens = await client.authorizationCodeGrant(config, request, checks);
  assert.ok(tokens.access_token);
});

test('a replayed refresh token ends its family', async () => {
  const config = await discover('web', client.None());
  const tokens = await logIn(config);
  const second = await client.refreshTokenGrant(config, tokens.refresh_token);
  const third = await client.refreshTokenGrant(config, second.refresh_token);
  await refused(client.refreshTokenGrant(config, tokens.refresh_token), 'invalid_grant');
  await refused(client.refreshTokenGrant(config, third.refresh_token), 'invalid_grant');
});

test('a revoked refresh token is refused', async () => {
  const config = await discover('web', client.None());
  const tokens = await logIn(config);
  await client.tokenRevocation(config, tokens.refresh_token);
  await refused(client.refreshTokenGrant(config, tokens.refresh_token), 'invalid_grant');
});

const machines = {
  client_secret_basic: () => discover('worker-basic', client.ClientSecretBasic(made('worker-basic').client_secret)),
  client_secret_post: () => discover('worker-post', client.ClientSecretPost(made('worker-post').client_secret)),
  'either secret method': () => discover('worker', client.ClientSecretPost(made('worker').client_secret)),
  private_key_jwt: async () => {
    const { kid, ...jwk } = made('robot-private-key');
    const algorithm = { name: 'ECDSA', namedCurve: 'P-256' };
    const key = await crypto.subtle.importKey('jwk', jwk, algorithm, false, ['sign']);
    return discover('robot', client.PrivateKeyJwt({ key, kid }));
  },
};

for (const [method, discovered] of Object.entries(machines)) {
  test(`a machine gets, introspects and revokes a token by ${method}`, async () => {
    const config = await discovered();
    const { access_token: token, refresh_token: refresh } = await client.clientCredentialsGrant(config, {
      scope: 'orders:read',
      resource: api,
    });
    assert.equal(refresh, undefined);
    const seen = await client.tokenIntrospection(config, token);
    assert.equal(seen.active, true);
    assert.equal(seen.scope, 'orders:read');
    assert.equal(seen.client_id, config.clientMetadata().client_id);
    await client.tokenRevocation(config, token);
    assert.equal((await client.tokenIntrospection(config, token)).active, false);
  });
}

test('a wrong secret is refused', async () => {
  const config = await discover('worker', client.ClientSecretBasic('guessed'));
  await assert.rejects(client.clientCredentialsGrant(config), (error) => {
    assert.match(JSON.stringify([error.error, error.cause, error.code]), /invalid_client|CHALLENGE/);
    return true;
  });
});
