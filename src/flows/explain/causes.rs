//! What lies behind each reason that is recorded, and what would make it work. Nobody but the operator reads this.

use crate::domain::event::{
    AccessRefusal, AssertionFault, BrowserSession, ClientAuthFailure, LoginFailure, SessionEnd,
    ThrottleScope, TokenRefusal, UnverifiedRequest, UriDifference,
};

/// Why, and what to do.
pub(super) type Cause = (&'static str, &'static str);

pub(super) fn login(failure: LoginFailure) -> Cause {
    match failure {
        LoginFailure::UnknownAccount => (
            "nobody has this user name or address",
            "compare the name with 'gatewright user list'; names are compared without regard to case",
        ),
        LoginFailure::WrongPassword => (
            "the password is wrong",
            "let the person try again, or set a new one: 'gatewright user set-password NAME'",
        ),
        LoginFailure::Disabled => (
            "the account is disabled, whatever the password",
            "'gatewright user enable NAME', if the person may log in again",
        ),
        LoginFailure::Throttled => (
            "the account had too many failures: the password was not looked at, even if it was right",
            "wait until throttle.account_window_s is over; a browser that the account is known to has a count of its own",
        ),
        LoginFailure::AddressThrottled => (
            "logins under too many names failed from this address: the password was not looked at",
            "wait until throttle.address_window_s is over; if everybody comes through one proxy, name it in trusted_proxies",
        ),
        LoginFailure::PasswordChanged => (
            "the password changed while it was being checked",
            "log in with the new password",
        ),
        LoginFailure::Busy => (
            "too many passwords waited to be checked",
            "try again in a moment; if it happens often, raise password.slots or password.queue",
        ),
    }
}

pub(super) fn throttle(scope: ThrottleScope) -> Cause {
    match scope {
        ThrottleScope::Account => (
            "the account reached the limit of failures",
            "see who tries: 'gatewright events search --kind login_failed --since 1h'",
        ),
        ThrottleScope::Address => (
            "too many names failed from one address",
            "see which: 'gatewright events search --kind login_failed --since 1h'; if it's your proxy, name it in trusted_proxies",
        ),
    }
}

pub(super) fn session_end(cause: SessionEnd) -> &'static str {
    match cause {
        SessionEnd::Logout => "the person signed out",
        SessionEnd::Replaced => "the browser logged in again",
        SessionEnd::Administration => "an administrator ended it",
    }
}

pub(super) fn client_auth(failure: ClientAuthFailure) -> Cause {
    match failure {
        ClientAuthFailure::UnknownClient => (
            "there is no client of this id (which is not kept: it may be a secret in the wrong place)",
            "compare client_id with 'gatewright client list'",
        ),
        ClientAuthFailure::ClientDisabled => (
            "the client is disabled: what it sent was not looked at",
            "stop the program that still uses it, or let it go on",
        ),
        ClientAuthFailure::WrongSecret => (
            "the secret is none of this client's",
            "send the secret that was shown when it was made, form-encoded in HTTP Basic; or make one: 'gatewright client \
             secret add ID'",
        ),
        ClientAuthFailure::SecretEnded => (
            "the secret is this client's and has ended",
            "make a new one and give it to the client: 'gatewright client secret add ID'",
        ),
        ClientAuthFailure::WrongMethod => (
            "the client authenticated in another way than it is registered for",
            "let it use the registered way, or change that: 'gatewright client update ID --auth-method METHOD'",
        ),
        ClientAuthFailure::AssertionRefused => (
            "the client's assertion was refused",
            "see what is wrong with it; 'gatewright client show ID' has the registered keys",
        ),
        ClientAuthFailure::AssertionReplayed => (
            "the client's assertion was used before",
            "let the client make an assertion with a new jti for each request, retries included",
        ),
        ClientAuthFailure::ClientMissing => (
            "the request says nowhere which client it comes from",
            "send client_id with the secret in HTTP Basic (both form-encoded) or in the body, or a client_assertion with \
             its type",
        ),
        ClientAuthFailure::Unreadable => (
            "the Authorization header is not HTTP Basic as RFC 6749 has it, or came twice, or the client_assertion is no JWT of \
             the type jwt-bearer",
            "send one header 'Basic base64(ID:SECRET)', both halves form-encoded; or a client_assertion with \
             client_assertion_type urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        ),
    }
}

pub(super) fn assertion(fault: AssertionFault) -> Cause {
    match fault {
        AssertionFault::Key => (
            "its kid is not among the registered keys of this client",
            "register the key: 'gatewright client update ID --jwks FILE'",
        ),
        AssertionFault::Algorithm => (
            "it is signed with another algorithm than the key, or the client, is registered for",
            "sign with the registered one, or register it: 'gatewright client update ID --assertion-alg ALG'",
        ),
        AssertionFault::KeyEnded => (
            "the end (exp) that its key is registered with has come",
            "sign with a newer key, and register it: 'gatewright client update ID --jwks FILE'",
        ),
        AssertionFault::Signature => (
            "its signature is wrong",
            "sign with the private half of the key that the kid names",
        ),
        AssertionFault::Issuer => (
            "its iss is not the client's id",
            "set iss and sub to the client_id",
        ),
        AssertionFault::Subject => (
            "its sub is not the client's id",
            "set iss and sub to the client_id",
        ),
        AssertionFault::Audience => (
            "its aud is not this issuer",
            "set aud to the issuer's URL, or run 'gatewright client update ID --assertion-accepts-token-endpoint'",
        ),
        AssertionFault::Ended => (
            "it has ended (exp)",
            "make a new one for each request, and check the client's clock",
        ),
        AssertionFault::Future => (
            "it comes from the future (iat or nbf)",
            "check the client's clock",
        ),
        AssertionFault::TooLong => ("it lives over 5 minutes (exp)", "set exp within 5 minutes"),
        AssertionFault::JtiMissing => ("it has no jti", "send a jti that is new each time"),
        AssertionFault::Claims => (
            "it can't be read, or exp is missing, or a time is no number",
            "send iss, sub, aud, exp and a jti, as RFC 7523 has them",
        ),
    }
}

pub(super) fn unverified(reason: UnverifiedRequest) -> Cause {
    match reason {
        UnverifiedRequest::ClientMissing => (
            "the request names no client: client_id is missing, or has no value",
            "send client_id with the authorization request",
        ),
        UnverifiedRequest::UnknownClient => (
            "there is no client of this client_id (which is not kept: it may be anything)",
            "compare client_id with 'gatewright client list'",
        ),
        UnverifiedRequest::ClientDisabled => (
            "the client is disabled",
            "take it off the pages that lead here, or let it go on",
        ),
        UnverifiedRequest::GrantNotPermitted => (
            "the client is registered, and people can't log in to it: it may not use the grant authorization_code",
            "take it off the pages that lead here, or let people log in to it",
        ),
        UnverifiedRequest::RedirectUri => (
            "the redirect_uri is not registered for this client; it must be the same byte for byte",
            "send it as registered, or register it: 'gatewright client update ID --redirect-uri URI' (replaces the list)",
        ),
        UnverifiedRequest::RedirectUriMissing => (
            "the request names no redirect_uri, and only a client that registered exactly one may leave it out, without \
             openid in its scope",
            "send redirect_uri with the authorization request",
        ),
        UnverifiedRequest::ClientIdTwice => ("client_id came twice", "send it once"),
        UnverifiedRequest::RedirectUriTwice => ("redirect_uri came twice", "send it once"),
        UnverifiedRequest::StateTooLong => (
            "state is longer than 4,096 bytes",
            "keep what is long on your side, and send a reference to it",
        ),
        UnverifiedRequest::NonceTooLong => (
            "nonce is longer than 4,096 bytes",
            "send a random value of 32 bytes or so",
        ),
    }
}

pub(super) fn uri_difference(difference: UriDifference) -> &'static str {
    match difference {
        UriDifference::Missing => {
            "the request named no redirect_uri, and exactly one has to be clear"
        }
        UriDifference::TrailingSlash => {
            "it differs from a registered one in a slash at the end alone"
        }
        UriDifference::Case => "it differs from a registered one in capital letters alone",
        UriDifference::Scheme => "it differs from a registered one in its scheme (http or https)",
        UriDifference::Port => "it differs from a registered one in its port",
        UriDifference::Query => "it differs from a registered one in its query",
        UriDifference::Path => "it differs from a registered one in its path",
        UriDifference::Host => "no registered one has its host",
    }
}

pub(super) fn browser(session: BrowserSession) -> &'static str {
    match session {
        BrowserSession::NoCookie => {
            "the browser sent no session cookie: nobody has logged in there, or it keeps the cookie back, as browsers do \
             in frames and background requests from another site"
        }
        BrowserSession::Ended => "the browser sent the cookie of a session that has ended",
        BrowserSession::Live => "the browser sent the cookie of a session that stands",
    }
}

#[expect(clippy::too_many_lines, reason = "one arm for each")]
pub(super) fn token(refusal: TokenRefusal) -> Cause {
    match refusal {
        TokenRefusal::CodeUnknown => (
            "this client has no such code: it is another client's, was altered on its way, or is long over",
            "send the code as it came, undecoded twice and uncut, with the client_id of the authorization request",
        ),
        TokenRefusal::CodeExpired => (
            "the code came after its end (tokens.code_s, 60 seconds unless set)",
            "redeem the code at once; if the client does, look for a slow hop or a clock that is off: 'gatewright doctor'",
        ),
        TokenRefusal::CodeReplayed => (
            "the code had been used before; every token that came of it was revoked",
            "redeem each code once: a reloaded callback page, a retry, or two workers do this; if none did, the code was stolen",
        ),
        TokenRefusal::RedirectUriMissing => (
            "the authorization request named a redirect_uri, and the token request none",
            "send the same redirect_uri with the code",
        ),
        TokenRefusal::RedirectUriDiffers => (
            "the redirect_uri is another than in the authorization request",
            "send the same redirect_uri with the code, byte for byte",
        ),
        TokenRefusal::VerifierMissing => (
            "the authorization request had a code_challenge, and the token request has no code_verifier",
            "send the code_verifier that the challenge was made of; keep it with the state, not in a new session",
        ),
        TokenRefusal::VerifierMalformed => (
            "the code_verifier is not 43 to 128 characters of A-Z a-z 0-9 - . _ ~",
            "make it of 32 random bytes as base64url, without '='",
        ),
        TokenRefusal::VerifierWrong => (
            "the code_verifier is not the one that the code_challenge was made of",
            "the challenge is base64url(SHA-256(verifier)) without '='; send the verifier of this very login: two tabs \
             mustn't share one",
        ),
        TokenRefusal::VerifierUnasked => (
            "there is a code_verifier, and the authorization request had no code_challenge",
            "send the code_challenge with the authorization request; if the client does, somebody removed it on the way",
        ),
        TokenRefusal::AccountRemoved => (
            "the person's account was removed",
            "begin a new login with an account that is there",
        ),
        TokenRefusal::AccountDisabled => (
            "the person's account is disabled",
            "'gatewright user enable NAME', if the person may log in again",
        ),
        TokenRefusal::PasswordChanged => (
            "the person's password changed since the login",
            "begin a new login: a new password ends what was granted with the old one",
        ),
        TokenRefusal::ScopeWithdrawn => (
            "the client may no longer have all of the scope that was granted",
            "begin a new login for what it may have, or give the scope back: 'gatewright client update ID --scope SCOPE'",
        ),
        TokenRefusal::AudienceWithdrawn => (
            "the client lost an audience that was granted",
            "begin a new login, or give the audience back: 'gatewright client update ID --audience URI'",
        ),
        TokenRefusal::ConsentWithdrawn => (
            "the person's consent is gone, or is for less than was granted",
            "begin a new login, which asks for consent",
        ),
        TokenRefusal::RefreshUnknown => (
            "this client has no such refresh token: it is another client's, was cut, or is long over",
            "store the whole token that came last, with the client that it belongs to",
        ),
        TokenRefusal::RefreshExpired => (
            "the refresh token wasn't used for too long (tokens.refresh_idle_s)",
            "begin a new login",
        ),
        TokenRefusal::RefreshFamilyEnded => (
            "the login that the refresh token comes from is too long ago (tokens.refresh_absolute_s)",
            "begin a new login",
        ),
        TokenRefusal::RefreshRevoked => (
            "the refresh token was revoked, with the whole family that it belongs to",
            "begin a new login; the events before say what revoked it",
        ),
        TokenRefusal::RefreshReplayed => (
            "the refresh token had been used before, and its successor used or the grace over: the whole family was revoked",
            "let one part of the application refresh for all, and store the new token before using it; after a lost answer \
             repeat the request at once. If none of this is it, a token was stolen",
        ),
        TokenRefusal::ScopeBeyondClient => (
            "the client may not have all of the scope that it asked for",
            "ask for less, or let it have more: 'gatewright client update ID --scope SCOPE' (replaces the list)",
        ),
        TokenRefusal::ScopeBeyondGrant => (
            "the scope goes beyond what the person granted",
            "ask for it in a new authorization request; a refresh can only narrow",
        ),
        TokenRefusal::ScopeOfPersons => (
            "openid and its like are about a person, and client_credentials has none",
            "leave them out, or let a person log in with authorization_code",
        ),
        TokenRefusal::ResourceMalformed => (
            "the resource is no absolute URI without a fragment, or has over 512 characters",
            "send the API's identifier as it is registered: 'gatewright client show ID' has the audiences",
        ),
        TokenRefusal::ResourceUnknown => (
            "the resource is no audience of this client",
            "send it as registered, or register it: 'gatewright client update ID --audience URI' (replaces the list)",
        ),
        TokenRefusal::ResourceBeyondGrant => (
            "the resource was not asked for in the authorization request",
            "name every resource in the authorization request; later requests can only narrow",
        ),
    }
}

pub(super) fn access(refusal: AccessRefusal) -> Cause {
    match refusal {
        AccessRefusal::Malformed => (
            "the token came in two places, in the query, or not as a token is sent",
            "send one header: Authorization: Bearer <access token>",
        ),
        AccessRefusal::Revoked => (
            "the token was revoked, or what it descends from was",
            "begin a new login",
        ),
        AccessRefusal::AccountRemoved => (
            "the person's account was removed",
            "begin a new login with an account that is there",
        ),
        AccessRefusal::AccountDisabled => (
            "the person's account is disabled",
            "'gatewright user enable NAME', if the person may log in again",
        ),
        AccessRefusal::ClientRemoved => (
            "the client was removed",
            "register it anew, if it may go on: 'gatewright client create'",
        ),
        AccessRefusal::ClientDisabled => (
            "the client is disabled",
            "'gatewright client enable ID', if it may go on",
        ),
        AccessRefusal::NoPerson => (
            "it's a client's own token, about no person",
            "call with the token of a person's login",
        ),
    }
}
