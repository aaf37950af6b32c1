// Writes vectors made by npm's jose to standard output. See README.md.

import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import {
  CompactEncrypt,
  SignJWT,
  UnsecuredJWT,
  calculateJwkThumbprint,
  exportJWK,
  generateKeyPair,
} from 'jose'

const NOW = 1_800_000_000
const ISSUER = 'https://issuer.example'
const URL = 'https://api.example.com/prod/orders/1'
const ALGORITHMS = ['ES256', 'RS256', 'PS256', 'EdDSA']

const keys = {}
for (const alg of ALGORITHMS) {
  const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true })
  const jwk = await exportJWK(publicKey)
  const kid = await calculateJwkThumbprint(jwk)
  keys[alg] = { privateKey, jwk, kid }
}

const claims = (more = {}) => ({
  iss: ISSUER,
  sub: 'user-1',
  aud: 'https://api.example.com',
  client_id: 'app',
  jti: 'jose-1',
  iat: NOW - 10,
  exp: NOW + 300,
  scope: 'orders:read',
  ...more,
})

const sign = (alg, payload, header = {}) =>
  new SignJWT(payload)
    .setProtectedHeader({ alg, typ: 'at+jwt', kid: keys[alg].kid, ...header })
    .sign(keys[alg].privateKey)

const ath = (token) => createHash('sha256').update(token).digest('base64url')

const prove = (alg, token, more = {}, header = {}) =>
  new SignJWT({ jti: `proof-${alg}`, htm: 'GET', htu: URL, iat: NOW, ath: ath(token), ...more })
    .setProtectedHeader({ alg, typ: 'dpop+jwt', jwk: keys[alg].jwk, ...header })
    .sign(keys[alg].privateKey)

const cases = []
const bearer = (name, token, reason = null) => cases.push({ name, scheme: 'bearer', token, reason })
const dpop = (name, token, proof, reason = null) =>
  cases.push({ name, scheme: 'dpop', token, proof, method: 'GET', url: URL, reason })

for (const alg of ALGORITHMS) {
  bearer(alg, await sign(alg, claims()))
  bearer(`${alg}, expired`, await sign(alg, claims({ exp: NOW - 10 })), 'expired')
}
bearer('long typ', await sign('ES256', claims(), { typ: 'application/at+jwt' }))
bearer('several audiences', await sign('ES256', claims({ aud: ['https://x', 'https://api.example.com'] })))
bearer('an ID token', await sign('ES256', claims(), { typ: 'JWT' }), 'type_refused')
bearer('no typ', await sign('ES256', claims(), { typ: undefined }), 'type_refused')
bearer('no kid', await sign('ES256', claims(), { kid: undefined }), 'key_id_missing')
bearer('not yet valid', await sign('ES256', claims({ nbf: NOW + 60 })), 'not_yet_valid')
bearer('the kid of another key', await sign('ES256', claims(), { kid: keys.RS256.kid }), 'key_unknown')
bearer('unsecured', new UnsecuredJWT(claims()).encode(), 'token_malformed')
bearer(
  'HS256 over the public key',
  await new SignJWT(claims())
    .setProtectedHeader({ alg: 'HS256', typ: 'at+jwt', kid: keys.RS256.kid })
    .sign(new TextEncoder().encode(JSON.stringify(keys.RS256.jwk))),
  'algorithm_refused',
)
bearer(
  'encrypted',
  await new CompactEncrypt(new TextEncoder().encode(JSON.stringify(claims())))
    .setProtectedHeader({ alg: 'dir', enc: 'A128GCM' })
    .encrypt(new Uint8Array(16)),
  'token_malformed',
)

for (const alg of ALGORITHMS) {
  const token = await sign('ES256', claims({ cnf: { jkt: keys[alg].kid } }))
  dpop(`bound to ${alg}`, token, await prove(alg, token))
}
const bound = await sign('ES256', claims({ cnf: { jkt: keys.ES256.kid } }))
const unbound = await sign('ES256', claims())
bearer('bound, as a bearer token', bound, 'sender_constrained')
dpop('no proof', bound, null, 'proof_missing')
dpop('not bound', unbound, await prove('ES256', unbound), 'token_not_bound')
dpop('another key', bound, await prove('EdDSA', bound), 'proof_key_mismatch')
dpop('another method', bound, await prove('ES256', bound, { htm: 'POST' }), 'proof_mismatch')
dpop('another URL', bound, await prove('ES256', bound, { htu: `${URL}/items` }), 'proof_mismatch')
dpop('another token', bound, await prove('ES256', unbound), 'proof_mismatch')
dpop('no ath', bound, await prove('ES256', bound, { ath: undefined }), 'proof_invalid')
dpop('an old proof', bound, await prove('ES256', bound, { iat: NOW - 120 }), 'proof_expired')
dpop('a proof from the future', bound, await prove('ES256', bound, { iat: NOW + 60 }), 'proof_expired')
dpop('a proof of another type', bound, await prove('ES256', bound, {}, { typ: 'JWT' }), 'proof_invalid')
dpop('a proof without a key', bound, await prove('ES256', bound, {}, { jwk: undefined }), 'proof_invalid')
dpop(
  'a proof with a private key',
  bound,
  await prove('ES256', bound, {}, { jwk: await exportJWK(keys.ES256.privateKey) }),
  'proof_invalid',
)

const { version } = JSON.parse(readFileSync('node_modules/jose/package.json'))
const jwks = {
  keys: ALGORITHMS.map((alg) => ({ ...keys[alg].jwk, kid: keys[alg].kid, alg, use: 'sig' })),
}
console.log(JSON.stringify({ made_by: `jose ${version}`, jwks, cases }, null, 1))
