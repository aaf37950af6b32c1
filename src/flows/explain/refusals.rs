//! What lies behind a request that came to no use case, a failure of ours, and each error code of the RFCs.

use super::causes::Cause;
use crate::domain::ErrorCode;
use crate::domain::event::{FailureCause, RequestRefusal};

pub(super) fn request(refusal: RequestRefusal) -> Cause {
    match refusal {
        RequestRefusal::Framing => (
            "two servers could have read it differently",
            "see what the answer said; a proxy that rewrites requests does this",
        ),
        RequestRefusal::HostUnknown => (
            "it came to a listener on loopback by a name that is not this server's, as a page of the web does whose name \
             leads to this machine (DNS rebinding)",
            "ask for 127.0.0.1, localhost or the issuer's host; if a proxy on this machine sends another name, list the proxy \
             in trusted_proxies, or the name in http.hosts",
        ),
        RequestRefusal::Prefetch => (
            "a browser fetched the page before anybody asked for it, and nothing was done",
            "nothing to do: when the person goes there, the browser asks again",
        ),
        RequestRefusal::TooManyHeaders => (
            "its address or headers are too many or too large",
            "send fewer cookies and parameters; http.* in the configuration has the limits",
        ),
        RequestRefusal::BodyTooLarge => (
            "its body is over http.body_limit_bytes",
            "send less, or raise the limit",
        ),
        RequestRefusal::BodyEncoded => {
            ("its body is compressed", "send it without Content-Encoding")
        }
        RequestRefusal::BodyTooSlow => (
            "its body took longer than http.body_timeout_s",
            "see what holds it up between client and server",
        ),
        RequestRefusal::NoMemory => (
            "connections held all of http.memory_mib, and none of them waited for its client",
            "nothing is wrong with the request: it may come again; raise http.memory_mib if there is memory",
        ),
        RequestRefusal::NotFound => (
            "there is no such path here",
            "take the paths from /.well-known/openid-configuration; behind a proxy, see that it passes them on unchanged",
        ),
        RequestRefusal::MethodNotAllowed => (
            "the path is there, and takes another method",
            "the Allow header of the answer has the methods; the token endpoint takes POST",
        ),
        RequestRefusal::PreflightRefused => (
            "a browser asked whether a script of another origin may call this (CORS), and it may not",
            "register the script's origin in cors.origins; of the endpoints, scripts may call token, userinfo and revocation",
        ),
        RequestRefusal::ParameterTwice => ("a parameter came twice", "send each parameter once"),
        RequestRefusal::ParametersUnreadable => (
            "the parameters can't be read as a form",
            "send application/x-www-form-urlencoded, UTF-8, with at most 100 parameters",
        ),
        RequestRefusal::FormWithoutCookie => (
            "the form came without the cookie that it goes with: the browser blocks cookies, or shows the page in another \
             site's frame",
            "allow cookies for this site, and open the login in the window itself, not in a frame",
        ),
        RequestRefusal::FormCookieTwice => (
            "the form came with two cookies of the name that it goes with, and neither counts: another application on this \
             host, or on a domain above it, sets one too",
            "delete this site's cookies in the browser, and see which application sets cookies whose names begin with \
             gatewright-",
        ),
        RequestRefusal::FormFromElsewhere => (
            "a page of another site sent the form",
            "begin again from the application; if the name in the address bar isn't the issuer's, correct the proxy",
        ),
        RequestRefusal::FormAltered => (
            "the form is not as this server made it for this browser: it was altered, or the browser's cookies changed since",
            "begin again from the application; if it happens often, see whether something empties the browser's cookies",
        ),
        RequestRefusal::PageExpired => (
            "the page was open for over 30 minutes",
            "begin again from the application",
        ),
        RequestRefusal::PageOfAnotherBrowser => (
            "the page was begun in another browser, or before this one's cookies changed",
            "begin again from the application, in the browser that is to be signed in",
        ),
        RequestRefusal::PageOutOfOrder => (
            "the address is a step of signing in, and was opened by itself: a reload or a bookmark does this",
            "begin again from the application; bookmark the application, not the login",
        ),
        RequestRefusal::ReturnAddress => (
            "the application asked for a return address after the logout that can't be followed; nobody was signed out for it",
            "register it: 'gatewright client update ID --post-logout-redirect-uri URI' (replaces the list); and send client_id \
             or id_token_hint with it",
        ),
        RequestRefusal::FieldTooLong => (
            "the user name or the password has over 1,024 bytes",
            "see what was pasted",
        ),
        RequestRefusal::NotAdministrator => (
            "the person is signed in, and not an administrator",
            "if they should be one: gatewright user update NAME --administrator true",
        ),
        RequestRefusal::NotReady => (
            "the server was starting, leaving, or without its database",
            "wait; 'gatewright doctor' says what is wrong if it stays so",
        ),
    }
}

pub(super) fn failure(cause: FailureCause) -> Cause {
    match cause {
        FailureCause::PasswordQueue => (
            "too many passwords waited to be checked",
            "try again in a moment; if it happens often, raise password.slots or password.queue",
        ),
        FailureCause::DatabaseBusy => (
            "the database had too much to do",
            "repeat the same request; if it happens often, see what else uses the database",
        ),
        FailureCause::DatabaseUnavailable => (
            "the database could not be reached, or could not write",
            "'gatewright doctor' says what is wrong with it",
        ),
        FailureCause::Internal => (
            "the server failed",
            "the log has the details under the request id; report them",
        ),
    }
}

/// For an error whose own words say why: what to do.
pub(super) fn error(code: ErrorCode) -> &'static str {
    match code {
        ErrorCode::InvalidRequest => "send the request as the words say",
        ErrorCode::InvalidClient => "check client_id and how the client authenticates",
        ErrorCode::InvalidGrant => "begin a new login",
        ErrorCode::UnauthorizedClient => {
            "let the client use the grant: 'gatewright client update ID --grant GRANT' (replaces the list)"
        }
        ErrorCode::UnsupportedGrantType => {
            "use authorization_code, client_credentials or refresh_token"
        }
        ErrorCode::UnsupportedResponseType => "use response_type=code",
        ErrorCode::InvalidScope => {
            "ask for less, or let the client have more: 'gatewright client update ID --scope SCOPE' (replaces the list)"
        }
        ErrorCode::AccessDenied => "respect it: the person refused",
        ErrorCode::ServerError => "the log has the details under the request id",
        ErrorCode::TemporarilyUnavailable => "repeat the same request in a moment",
        ErrorCode::InvalidTarget => {
            "name an audience of this client, or register it: 'gatewright client update ID --audience URI' (replaces the list)"
        }
        ErrorCode::InvalidToken => "get a new access token",
        ErrorCode::InsufficientScope => "ask for a token with the scope",
        ErrorCode::UnsupportedTokenType => "send an access token or a refresh token",
        ErrorCode::LoginRequired => {
            "send the person through an authorization request without prompt=none, in the window itself"
        }
        ErrorCode::ConsentRequired => {
            "send the person through without prompt=none, or make it your own application: 'gatewright client update ID \
             --first-party'"
        }
        ErrorCode::InteractionRequired => {
            "send the person through without prompt=none; or let this client get codes without a click, and with it any \
             program of the person's machine: 'gatewright client update ID --silent-authorization'"
        }
        ErrorCode::InvalidRequestUri
        | ErrorCode::InvalidRequestObject
        | ErrorCode::RequestNotSupported
        | ErrorCode::RequestUriNotSupported => {
            "send plain parameters: request and request_uri are not supported"
        }
        ErrorCode::RegistrationNotSupported => {
            "register the client with 'gatewright client create'"
        }
    }
}
