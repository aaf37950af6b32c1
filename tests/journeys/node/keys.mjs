// Makes a key for private_key_jwt: prints the private JWK, and the JWK set to register on descriptor 3.

import { writeSync } from 'node:fs';

const pair = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign', 'verify']);
const named = async (key) => {
  const { kty, crv, x, y, d } = await crypto.subtle.exportKey('jwk', key);
  return { kty, crv, x, y, ...(d && { d }), kid: 'robot-1', alg: 'ES256', use: 'sig' };
};
console.log(JSON.stringify(await named(pair.privateKey)));
writeSync(3, JSON.stringify({ keys: [await named(pair.publicKey)] }));
