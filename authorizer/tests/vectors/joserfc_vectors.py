"""Writes vectors made by PyPI's joserfc to standard output. See README.md."""

import base64
import datetime
import hashlib
import json
import sys
from importlib.metadata import version

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

NOW = 1_800_000_000
ISSUER = "https://issuer.example"
URL = "https://api.example.com/prod/orders/1"
ALGORITHMS = ["ES256", "RS256", "PS256", "EdDSA"]

KEYS = {
    "ES256": ECKey.generate_key("P-256"),
    "RS256": RSAKey.generate_key(2048),
    "PS256": RSAKey.generate_key(3072),
    "EdDSA": OKPKey.generate_key("Ed25519"),
}


def b64(raw):
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def claims(**more):
    payload = {
        "iss": ISSUER,
        "sub": "user-1",
        "aud": "https://api.example.com",
        "client_id": "app",
        "jti": "joserfc-1",
        "iat": NOW - 10,
        "exp": NOW + 300,
        "scope": "orders:read",
    }
    payload.update(more)
    return payload


def sign(alg, payload, **header):
    header = {"alg": alg, "typ": "at+jwt", "kid": KEYS[alg].thumbprint(), **header}
    return jwt.encode(header, payload, KEYS[alg], algorithms=[alg])


def prove(alg, token, **more):
    header = {"alg": alg, "typ": "dpop+jwt", "jwk": KEYS[alg].as_dict(private=False)}
    payload = {
        "jti": "proof-" + alg,
        "htm": "GET",
        "htu": URL,
        "iat": NOW,
        "ath": b64(hashlib.sha256(token.encode()).digest()),
    }
    payload.update(more)
    return jwt.encode(header, payload, KEYS[alg], algorithms=[alg])


def certificate(name):
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    start = datetime.datetime(2026, 1, 1)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + datetime.timedelta(days=36500))
        .sign(key, hashes.SHA256())
    )
    thumbprint = b64(made.fingerprint(hashes.SHA256()))
    return made.public_bytes(serialization.Encoding.PEM).decode(), thumbprint


CASES = []


def case(name, scheme, token, reason=None, **more):
    CASES.append({"name": name, "scheme": scheme, "token": token, "reason": reason, **more})


def dpop(name, token, proof, reason=None, **more):
    case(name, "dpop", token, reason, proof=proof, method="GET", url=URL, **more)


for alg in ALGORITHMS:
    case(alg, "bearer", sign(alg, claims()))
    case(alg + ", another audience", "bearer", sign(alg, claims(aud="https://x")), "audience_mismatch")
case("a future iat", "bearer", sign("EdDSA", claims(iat=NOW + 60)), "issued_in_future")
case("a float as exp", "bearer", sign("EdDSA", claims(exp=NOW + 0.5)))
case("scope as a list", "bearer", sign("EdDSA", claims(scope=["orders:read"])), "claim_malformed")
case("another issuer", "bearer", sign("EdDSA", claims(iss=ISSUER + "/")), "issuer_unknown")
secret = OctKey.import_key(json.dumps(KEYS["RS256"].as_dict(private=False)))
header = {"alg": "HS256", "typ": "at+jwt", "kid": KEYS["RS256"].thumbprint()}
case("HS256 over the public key", "bearer", jwt.encode(header, claims(), secret, algorithms=["HS256"]), "algorithm_refused")

for alg in ALGORITHMS:
    token = sign("RS256", claims(cnf={"jkt": KEYS[alg].thumbprint()}))
    dpop("bound to " + alg, token, prove(alg, token))
bound = sign("RS256", claims(cnf={"jkt": KEYS["EdDSA"].thumbprint()}))
case("bound, as a bearer token", "bearer", bound, "sender_constrained")
dpop("another method", bound, prove("EdDSA", bound, htm="DELETE"), "proof_mismatch")
dpop("the query doesn't count", bound, prove("EdDSA", bound, htu=URL + "?page=2", jti="q"))

own, thumbprint = certificate("app")
other, _ = certificate("other")
held = sign("PS256", claims(cnf={"x5t#S256": thumbprint}))
case("bound to a certificate", "bearer", held, certificate=own)
case("without the certificate", "bearer", held, "certificate_missing")
case("with another certificate", "bearer", held, "certificate_mismatch", certificate=other)
dpop("a certificate is no DPoP key", held, prove("EdDSA", held), "token_not_bound", certificate=own)
both = sign("PS256", claims(cnf={"x5t#S256": thumbprint, "jkt": KEYS["ES256"].thumbprint()}))
dpop("bound to both", both, prove("ES256", both), certificate=own)
dpop("bound to both, without the certificate", both, prove("ES256", both), "certificate_missing")
case("bound to both, without the proof", "bearer", both, "sender_constrained", certificate=own)

JWKS = [
    {**KEYS[alg].as_dict(private=False), "kid": KEYS[alg].thumbprint(), "alg": alg, "use": "sig"}
    for alg in ALGORITHMS
]
document = {"made_by": "joserfc " + version("joserfc"), "jwks": {"keys": JWKS}, "cases": CASES}
json.dump(document, sys.stdout, indent=1)
print()
