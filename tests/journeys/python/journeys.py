"""Journeys of Authlib, unpatched, against the server that `run` started."""

import html
import json
import os
import pathlib
import re
import time
import unittest
from urllib.parse import parse_qs, urljoin, urlsplit

import requests
from authlib.common.security import generate_token
from authlib.integrations.base_client.errors import OAuthError
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from joserfc.jwk import ECKey

ISSUER = os.environ["JOURNEYS_ISSUER"]
MADE = pathlib.Path(os.environ["JOURNEYS_DIR"])
PERSON = {"login": "ada", "password": "correct horse battery staple"}
METADATA = requests.get(f"{ISSUER}/.well-known/openid-configuration", timeout=10).json()


def made(name):
    """What a command of the set-up printed, or a file that it made."""
    return json.loads((MADE / f"{name}.json").read_text())


def attribute(tag, name):
    return html.unescape(re.search(rf' {name}="([^"]*)"', tag)[1])


def form_of(page, form_id):
    """The action and the hidden fields of a page's form."""
    form = re.search(rf'<form[^>]* id="{form_id}".*?</form>', page.text, re.DOTALL)[0]
    hidden = re.findall(r'<input[^>]*type="hidden"[^>]*>', form)
    fields = {attribute(tag, "name"): attribute(tag, "value") for tag in hidden}
    return urljoin(page.url, attribute(form, "action")), fields


def log_in(url):
    """A person's browser: follows redirects, and pages that go on by themselves, until one leaves the issuer."""
    browser = requests.Session()
    answer = browser.get(url, allow_redirects=False, timeout=10)
    while True:
        refresh = re.search(r'<meta http-equiv="refresh" content="0; url=([^"]*)">', answer.text)
        if answer.is_redirect or refresh:
            target = answer.headers["location"] if answer.is_redirect else html.unescape(refresh[1])
            target = urljoin(answer.url, target)
            if not target.startswith(ISSUER):
                return target
            answer = browser.get(target, allow_redirects=False, timeout=10)
        else:
            action, fields = form_of(answer, "login-form")
            headers = {"origin": ISSUER}
            answer = browser.post(action, fields | PERSON, headers=headers, allow_redirects=False, timeout=10)


class Machine(unittest.TestCase):
    """Client credentials, by every method of authentication."""

    def check(self, session):
        token = session.fetch_token(METADATA["token_endpoint"], grant_type="client_credentials", scope="orders:read")
        self.assertEqual(token["token_type"], "Bearer")
        self.assertEqual(token["scope"], "orders:read")
        self.assertNotIn("refresh_token", token)
        access_token = token["access_token"]
        seen = session.introspect_token(METADATA["introspection_endpoint"], access_token).json()
        self.assertIs(seen["active"], True)
        session.revoke_token(METADATA["revocation_endpoint"], access_token).raise_for_status()
        seen = session.introspect_token(METADATA["introspection_endpoint"], access_token).json()
        self.assertEqual(seen, {"active": False})

    def test_client_secret_basic(self):
        self.check(OAuth2Session("worker-basic", made("worker-basic")["client_secret"]))

    def test_client_secret_post(self):
        secret = made("worker-post")["client_secret"]
        method = "client_secret_post"
        methods = {"token_endpoint_auth_method": method, "revocation_endpoint_auth_method": method}
        self.check(OAuth2Session("worker-post", secret, **methods))

    def signed(self, audience, seconds):
        """Asks for a token with an assertion for this audience and so long."""
        key = ECKey.import_key(made("robot-private-key"))
        method = PrivateKeyJWT(audience, alg="ES256", claims={"exp": int(time.time()) + seconds})
        session = OAuth2Session("snake", key, token_endpoint_auth_method=method)
        return session.fetch_token(METADATA["token_endpoint"], grant_type="client_credentials")

    def test_private_key_jwt(self):
        # Authlib's own hour is more than this server takes from anybody.
        token = self.signed(METADATA["token_endpoint"], 120)
        self.assertEqual(token["scope"], "orders:read orders:write")

    def test_private_key_jwt_for_an_hour_or_for_another_server_is_refused(self):
        for audience, seconds in [(METADATA["token_endpoint"], 3600), ("https://other.example.com/token", 120)]:
            with self.assertRaises(OAuthError) as refused:
                self.signed(audience, seconds)
            self.assertEqual(refused.exception.error, "invalid_client")


class Site(unittest.TestCase):
    """A web application with a secret."""

    def setUp(self):
        self.session = OAuth2Session(
            "site",
            made("site")["client_secret"],
            scope="openid email offline_access",
            redirect_uri="https://app.example.com/cb",
            code_challenge_method="S256",
        )

    def log_in(self, **more):
        url, state = self.session.create_authorization_url(METADATA["authorization_endpoint"], **more)
        callback = log_in(url)
        query = parse_qs(urlsplit(callback).query)
        self.assertEqual(query["iss"], [ISSUER])
        return callback, state

    def test_code_with_pkce_userinfo_refresh_and_revocation(self):
        verifier = generate_token(48)
        callback, state = self.log_in(code_verifier=verifier, nonce=generate_token())
        token = self.session.fetch_token(
            METADATA["token_endpoint"], authorization_response=callback, state=state, code_verifier=verifier
        )
        self.assertIn("id_token", token)
        userinfo = self.session.get(METADATA["userinfo_endpoint"]).json()
        self.assertEqual(userinfo["email"], "ada@example.com")
        fresh = self.session.refresh_token(METADATA["token_endpoint"], token["refresh_token"])
        self.assertNotEqual(fresh["refresh_token"], token["refresh_token"])
        self.session.revoke_token(METADATA["revocation_endpoint"], fresh["refresh_token"]).raise_for_status()
        with self.assertRaises(OAuthError) as refused:
            self.session.refresh_token(METADATA["token_endpoint"], fresh["refresh_token"])
        self.assertEqual(refused.exception.error, "invalid_grant")

    def test_code_without_pkce_where_that_is_allowed(self):
        callback, state = self.log_in()
        token = self.session.fetch_token(METADATA["token_endpoint"], authorization_response=callback, state=state)
        self.assertIn("access_token", token)

    def test_a_code_is_good_for_one_use(self):
        verifier = generate_token(48)
        callback, state = self.log_in(code_verifier=verifier)

        def redeem():
            return self.session.fetch_token(
                METADATA["token_endpoint"], authorization_response=callback, state=state, code_verifier=verifier
            )

        token = redeem()
        with self.assertRaises(OAuthError) as refused:
            redeem()
        self.assertEqual(refused.exception.error, "invalid_grant")
        with self.assertRaises(OAuthError):
            self.session.refresh_token(METADATA["token_endpoint"], token["refresh_token"])


if __name__ == "__main__":
    result = unittest.main(verbosity=2, exit=False).result
    failed = len(result.failures) + len(result.errors)
    print(f"{result.testsRun - failed} passed, {failed} failed")
    raise SystemExit(failed != 0)
