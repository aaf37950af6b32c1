//! The closed lists of words in events: each is a bounded label as well.

use serde::{Deserialize, Serialize};

macro_rules! words {
    ($(#[$doc:meta])* $type:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum $type {
            $($(#[$variant_doc])* #[serde(rename = $text)] $variant),+
        }
        impl $type {
            /// Every value.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];
            /// The value as it is written.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }
        }
    };
}

words! {
    /// Why a login failed. The person learns none of them.
    LoginFailure {
        /// Nobody has this name.
        UnknownAccount = "unknown_account",
        /// The account stands, the password is another.
        WrongPassword = "wrong_password",
        /// The account is disabled, whatever the password.
        Disabled = "disabled",
        /// Too many failures before: not looked at.
        Throttled = "throttled",
        /// Too many names were tried from this address: not looked at.
        AddressThrottled = "address_throttled",
        /// The password changed while it was checked.
        PasswordChanged = "password_changed",
        /// Too many passwords waited to be checked.
        Busy = "busy",
    }
}

words! {
    /// What has to wait.
    ThrottleScope {
        /// One account.
        Account = "account",
        /// One address, for accounts that don't know the browser.
        Address = "address",
    }
}

words! {
    /// What ended a session.
    SessionEnd {
        /// The person signed out.
        Logout = "logout",
        /// The browser logged in again.
        Replaced = "replaced",
        /// An administrator ended it.
        Administration = "administration",
    }
}

words! {
    /// Why a client could not be authenticated. The caller learns none of them.
    ClientAuthFailure {
        /// There is no such client.
        UnknownClient = "unknown_client",
        /// The client is disabled: what it sent was not looked at.
        ClientDisabled = "client_disabled",
        /// Another secret than any of this client's.
        WrongSecret = "wrong_secret",
        /// A secret of this client that has ended.
        SecretEnded = "secret_ended",
        /// A way of authenticating that this client isn't registered for.
        WrongMethod = "wrong_method",
        /// An assertion that is wrongly signed, out of its time, or for another server.
        AssertionRefused = "assertion_refused",
        /// An assertion that was used before.
        AssertionReplayed = "assertion_replayed",
        /// The request names no client.
        ClientMissing = "client_missing",
        /// HTTP Basic or an assertion that can't be read.
        Unreadable = "unreadable",
    }
}

words! {
    /// Why an authorization request was answered by a page instead of the client.
    UnverifiedRequest {
        /// The request names no client.
        ClientMissing = "client_missing",
        /// No such client.
        UnknownClient = "unknown_client",
        /// The client is disabled.
        ClientDisabled = "client_disabled",
        /// Not a client that people log in to: it may not use `authorization_code`.
        GrantNotPermitted = "grant_not_permitted",
        /// Not a redirect URI of this client.
        RedirectUri = "redirect_uri",
        /// The request names no redirect URI, and not exactly one is meant.
        RedirectUriMissing = "redirect_uri_missing",
        /// `client_id` came twice; once also written for `redirect_uri`.
        #[serde(alias = "sent_twice")]
        ClientIdTwice = "client_id_twice",
        /// `redirect_uri` came twice.
        RedirectUriTwice = "redirect_uri_twice",
        /// `state` is longer than is carried; once also written for `nonce`.
        #[serde(alias = "too_long")]
        StateTooLong = "state_too_long",
        /// `nonce` is longer than is carried.
        NonceTooLong = "nonce_too_long",
    }
}

words! {
    /// What an authorizer decided.
    Decision {
        /// The call may pass.
        Allow = "allow",
        /// It may not.
        Deny = "deny",
        /// The token is no good (REST APIs: the error `Unauthorized`).
        Unauthorized = "unauthorized",
        /// Nothing could be decided.
        Fault = "fault",
    }
}

words! {
    /// Whose failure a failure of ours is.
    FailureCause {
        /// The password queue was full.
        PasswordQueue = "password_queue",
        /// The database had too much to do.
        DatabaseBusy = "database_busy",
        /// The database could not be reached, or could not write.
        DatabaseUnavailable = "database_unavailable",
        /// A defect, a damaged row, no entropy, no key.
        Internal = "internal",
    }
}

words! {
    /// Why a client's assertion (RFC 7523) was refused.
    AssertionFault {
        /// Its `kid` is no registered key's of this client.
        Key = "key",
        /// Signed with another algorithm than the key, or the client, is registered for.
        Algorithm = "algorithm",
        /// The key's registered end has come.
        KeyEnded = "key_ended",
        /// The signature is wrong.
        Signature = "signature",
        /// `iss` is not the client's id.
        Issuer = "issuer",
        /// `sub` is not the client's id.
        Subject = "subject",
        /// `aud` is not this server.
        Audience = "audience",
        /// It has ended; once also written for the next two.
        #[serde(alias = "time")]
        Ended = "ended",
        /// It comes from the future.
        Future = "future",
        /// It lives too long.
        TooLong = "too_long",
        /// It has no `jti`.
        JtiMissing = "jti_missing",
        /// It can't be read, or a time is missing or no number.
        Claims = "claims",
    }
}

words! {
    /// Why a token request was refused, where its answer says less. The caller doesn't learn it.
    TokenRefusal {
        /// This client has no such code; long after its end a code is forgotten.
        CodeUnknown = "code_unknown",
        /// The code came too late.
        CodeExpired = "code_expired",
        /// The code had been used before.
        CodeReplayed = "code_replayed",
        /// The authorization request named a redirect URI, the token request none.
        RedirectUriMissing = "redirect_uri_missing",
        /// Another redirect URI than in the authorization request.
        RedirectUriDiffers = "redirect_uri_differs",
        /// The authorization request had a `code_challenge`, the token request no `code_verifier`.
        VerifierMissing = "verifier_missing",
        /// No `code_verifier` looks like that (RFC 7636 §4.1).
        VerifierMalformed = "verifier_malformed",
        /// The `code_verifier` of another `code_challenge`.
        VerifierWrong = "verifier_wrong",
        /// A `code_verifier`, though the authorization request had no `code_challenge`.
        VerifierUnasked = "verifier_unasked",
        /// The person's account was removed.
        AccountRemoved = "account_removed",
        /// The person's account is disabled.
        AccountDisabled = "account_disabled",
        /// The person's password changed since.
        PasswordChanged = "password_changed",
        /// The client may no longer have all of the scope that was granted.
        ScopeWithdrawn = "scope_withdrawn",
        /// The client lost an audience that was granted.
        AudienceWithdrawn = "audience_withdrawn",
        /// The person's consent is gone, or is for less.
        ConsentWithdrawn = "consent_withdrawn",
        /// This client has no such refresh token; long after its end one is forgotten.
        RefreshUnknown = "refresh_unknown",
        /// The refresh token wasn't used for too long.
        RefreshExpired = "refresh_expired",
        /// The login that the refresh token comes from is too long ago.
        RefreshFamilyEnded = "refresh_family_ended",
        /// The refresh token, or the grant that it comes from, was revoked.
        RefreshRevoked = "refresh_revoked",
        /// The refresh token had been used before.
        RefreshReplayed = "refresh_replayed",
        /// A scope that this client may not have.
        ScopeBeyondClient = "scope_beyond_client",
        /// A scope that was not granted.
        ScopeBeyondGrant = "scope_beyond_grant",
        /// A scope of a person's (`openid` and its like), and there is no person.
        ScopeOfPersons = "scope_of_persons",
        /// A resource that is no absolute URI without a fragment.
        ResourceMalformed = "resource_malformed",
        /// A resource that is no audience of this client.
        ResourceUnknown = "resource_unknown",
        /// A resource that was not granted.
        ResourceBeyondGrant = "resource_beyond_grant",
    }
}

words! {
    /// Why an access token was refused at one of our own endpoints, besides what an authorizer would refuse it for.
    AccessRefusal {
        /// It came in two places, in the query, or in a form that can't be read.
        Malformed = "malformed",
        /// It was revoked, or what it descends from was.
        Revoked = "revoked",
        /// The person's account was removed.
        AccountRemoved = "account_removed",
        /// The person's account is disabled.
        AccountDisabled = "account_disabled",
        /// The client was removed.
        ClientRemoved = "client_removed",
        /// The client is disabled.
        ClientDisabled = "client_disabled",
        /// It's a client's own token: about no person.
        NoPerson = "no_person",
    }
}

words! {
    /// What the browser brought along to an authorization request.
    BrowserSession {
        /// No session cookie.
        NoCookie = "no_cookie",
        /// The cookie of a session that has ended.
        Ended = "ended",
        /// A session.
        Live = "live",
    }
}

words! {
    /// In what a redirect URI differs from the nearest that is registered.
    UriDifference {
        /// The request named none, and there isn't exactly one.
        Missing = "missing",
        /// Nothing but a slash at the end.
        TrailingSlash = "trailing_slash",
        /// Nothing but capital letters.
        Case = "case",
        /// `http` for `https`, or the reverse.
        Scheme = "scheme",
        /// The port.
        Port = "port",
        /// The query.
        Query = "query",
        /// The path.
        Path = "path",
        /// The host, or everything.
        Host = "host",
    }
}

words! {
    /// Why a request was refused before it came to a use case.
    RequestRefusal {
        /// Framing or `Host` that two servers could read differently.
        Framing = "framing",
        /// A listener on loopback, asked by a name that isn't its own.
        HostUnknown = "host_unknown",
        /// A page that a browser fetched before anybody asked for it.
        Prefetch = "prefetch",
        /// Too many headers, or too large ones.
        TooManyHeaders = "too_many_headers",
        /// A body over the limit.
        BodyTooLarge = "body_too_large",
        /// A compressed body.
        BodyEncoded = "body_encoded",
        /// A body that took too long.
        BodyTooSlow = "body_too_slow",
        /// Connections held all the memory that they may, and whatever could go was being worked on.
        NoMemory = "no_memory",
        /// No such path.
        NotFound = "not_found",
        /// A path that exists, by a method that it doesn't take.
        MethodNotAllowed = "method_not_allowed",
        /// A script's question from an origin that isn't registered, or for an endpoint that scripts may not call.
        PreflightRefused = "preflight_refused",
        /// A parameter that came twice.
        ParameterTwice = "parameter_twice",
        /// Parameters that can't be read.
        ParametersUnreadable = "parameters_unreadable",
        /// A form of ours without the cookie that it goes with.
        FormWithoutCookie = "form_without_cookie",
        /// A form of ours with two cookies of the name that it goes with: neither counts.
        FormCookieTwice = "form_cookie_twice",
        /// A form sent by a page of another site.
        FormFromElsewhere = "form_from_elsewhere",
        /// A form that isn't as this server made it.
        FormAltered = "form_altered",
        /// A page that was open too long.
        PageExpired = "page_expired",
        /// A page that was begun in another browser, or before this one lost its cookies.
        PageOfAnotherBrowser = "page_of_another_browser",
        /// An address that is a step of signing in, opened by itself.
        PageOutOfOrder = "page_out_of_order",
        /// A logout that names a return address which isn't registered.
        ReturnAddress = "return_address",
        /// A user name or password longer than anything real.
        FieldTooLong = "field_too_long",
        /// A page for administrators, asked for by somebody else who is signed in.
        NotAdministrator = "not_administrator",
        /// The server is not ready, or is leaving.
        NotReady = "not_ready",
    }
}
