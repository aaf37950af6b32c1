//! Error pages on our own origin: nothing of the request is echoed, nobody is redirected.

use super::guard::Noted;
use super::headers::{PagePolicy, page};
use super::oauth_error::status_of;
use super::pages::ErrorPage;
use crate::domain::event::RequestRefusal;
use crate::flows::FlowError;
use crate::flows::authorize::UnverifiedReason;
use crate::flows::interaction::Unopened;
use askama::Template;
use axum::response::{IntoResponse, Response};
use http::header::RETRY_AFTER;
use http::{HeaderValue, StatusCode};

/// What a person is told.
pub struct Words {
    /// Status of the answer.
    pub status: StatusCode,
    /// Headline.
    pub title: &'static str,
    /// What happened.
    pub message: &'static str,
    /// What to do.
    pub remedy: &'static str,
    /// What the page is recorded as, unless a use case has recorded why already.
    pub recorded: Option<RequestRefusal>,
}

/// A form that another site's page sent.
const FROM_ELSEWHERE: Words = Words {
    status: StatusCode::FORBIDDEN,
    title: "This form can't be accepted",
    message: "A page of another site sent it.",
    remedy: "Go back to the application and start again.",
    recorded: Some(RequestRefusal::FormFromElsewhere),
};
/// A form that came without a cookie of ours.
const WITHOUT_COOKIE: Words = Words {
    status: StatusCode::FORBIDDEN,
    title: "This form can't be accepted",
    message: "It came without the cookie that this server set with it.",
    remedy: "Allow cookies for this site, and open the application in a window of its own, not within another site's \
             page. Then start again.",
    recorded: Some(RequestRefusal::FormWithoutCookie),
};
/// A form with two cookies of the name that it goes with.
const COOKIE_TWICE: Words = Words {
    status: StatusCode::FORBIDDEN,
    title: "This form can't be accepted",
    message: "Two cookies of the same name came with it, and it can't be told which is this server's.",
    remedy: "Delete this site's cookies in the browser, then go back to the application and start again.",
    recorded: Some(RequestRefusal::FormCookieTwice),
};
/// A form that can't be read.
const FORM_UNREADABLE: Words = Words {
    status: StatusCode::FORBIDDEN,
    title: "This form can't be accepted",
    message: "It can't be read.",
    remedy: "Go back to the application and start again.",
    recorded: Some(RequestRefusal::ParametersUnreadable),
};
/// A form with a field that came twice.
const FIELD_TWICE: Words = Words {
    status: StatusCode::FORBIDDEN,
    title: "This form can't be accepted",
    message: "A field of it came twice.",
    remedy: "Go back to the application and start again.",
    recorded: Some(RequestRefusal::ParameterTwice),
};
/// A form that this server didn't make for this browser as it is now: which of the two can't be told.
const FORGED: Words = Words {
    status: StatusCode::FORBIDDEN,
    title: "This form can't be accepted",
    message: "It was made before this browser's cookies changed, or it was altered.",
    remedy: "Go back to the application and start again.",
    recorded: Some(RequestRefusal::FormAltered),
};
/// The page is too old.
const EXPIRED: Words = Words {
    status: StatusCode::BAD_REQUEST,
    title: "This page has expired",
    message: "It was open for more than 30 minutes.",
    remedy: "Go back to the application and start again.",
    recorded: Some(RequestRefusal::PageExpired),
};
/// The page is another browser's, or this one's from before its cookies changed.
const FOREIGN: Words = Words {
    status: StatusCode::BAD_REQUEST,
    title: "This page belongs to another browser",
    message: "It was begun in another browser, or before this one's cookies changed.",
    remedy: "Go back to the application and start again in this browser.",
    recorded: Some(RequestRefusal::PageOfAnotherBrowser),
};
/// A step of signing in, opened by itself.
pub const OUT_OF_ORDER: Words = Words {
    status: StatusCode::BAD_REQUEST,
    title: "Signing in begins at the application",
    message: "This address is a step on the way and can't be opened by itself: it was reloaded or bookmarked.",
    remedy: "Go to the application and sign in from there.",
    recorded: Some(RequestRefusal::PageOutOfOrder),
};
/// Too many names failed from one address.
pub const ADDRESS_THROTTLED: Words = Words {
    status: StatusCode::TOO_MANY_REQUESTS,
    title: "Too many attempts",
    message: "Too many sign-ins have failed from your network.",
    remedy: "Wait a while and try again.",
    recorded: None,
};
/// A field is longer than anything real.
pub const TOO_LONG: Words = Words {
    status: StatusCode::BAD_REQUEST,
    title: "That's too long",
    message: "User names and passwords have at most 1,024 bytes.",
    remedy: "Go back and check what was typed or pasted.",
    recorded: Some(RequestRefusal::FieldTooLong),
};
/// Somebody who isn't an administrator.
pub const NOT_ADMINISTRATOR: Words = Words {
    status: StatusCode::FORBIDDEN,
    title: "This page is for administrators",
    message: "You are signed in, but not as an administrator.",
    remedy: "Sign out and sign in as one, or ask whoever runs this server to make you one.",
    recorded: Some(RequestRefusal::NotAdministrator),
};
/// No such page.
pub const NOT_FOUND: Words = Words {
    status: StatusCode::NOT_FOUND,
    title: "There is nothing here",
    message: "This address is not a page of this server.",
    remedy: "Go back to the application you came from.",
    recorded: Some(RequestRefusal::NotFound),
};
/// The parameters can't be read.
pub const MALFORMED: Words = Words {
    status: StatusCode::BAD_REQUEST,
    title: "This request can't be read",
    message: "The application sent parameters that are not a well-formed request.",
    remedy: "Go back to the application. If it happens again, tell its developers the request id.",
    recorded: Some(RequestRefusal::ParametersUnreadable),
};

/// A parameter that came twice.
pub const SENT_TWICE: Words = Words {
    status: StatusCode::BAD_REQUEST,
    title: "Ambiguous request",
    message: "A parameter was sent more than once.",
    remedy: "Go back to where you came from. If it happens again, tell its developers the request id.",
    recorded: Some(RequestRefusal::ParameterTwice),
};
/// After a logout, an address that can't be followed.
pub const NOWHERE_TO_GO: Words = Words {
    status: StatusCode::BAD_REQUEST,
    title: "Unregistered return address",
    message: "You are signed out here. The application asked to send you on, to an address that can't be found among \
              those registered for it.",
    remedy: "Go back to the application by yourself. If it happens again, tell its developers the request id.",
    recorded: None,
};

/// Shows a page, recorded as what its words are recorded as.
pub fn show(words: &Words, request_id: &str) -> Response {
    match words.recorded {
        Some(reason) => show_because(words, reason, request_id),
        None => plain(words, request_id),
    }
}

/// Shows a page that several reasons lead to.
pub fn show_because(words: &Words, reason: RequestRefusal, request_id: &str) -> Response {
    let mut response = plain(words, request_id);
    let noted = Noted::refused(reason, words.status, None);
    response.extensions_mut().insert(noted);
    response
}

/// A form of ours that isn't accepted.
pub fn forged(reason: RequestRefusal, request_id: &str) -> Response {
    let words = match reason {
        RequestRefusal::FormFromElsewhere => &FROM_ELSEWHERE,
        RequestRefusal::FormWithoutCookie => &WITHOUT_COOKIE,
        RequestRefusal::FormCookieTwice => &COOKIE_TWICE,
        RequestRefusal::ParametersUnreadable => &FORM_UNREADABLE,
        RequestRefusal::ParameterTwice => &FIELD_TWICE,
        _ => &FORGED,
    };
    show_because(words, reason, request_id)
}

/// A page that can't be gone on with.
pub fn unopened(why: Unopened, request_id: &str) -> Response {
    let words = match why {
        Unopened::Foreign => &FOREIGN,
        Unopened::Expired => &EXPIRED,
    };
    show(words, request_id)
}

fn plain(words: &Words, request_id: &str) -> Response {
    let error = ErrorPage {
        title: words.title,
        message: words.message,
        remedy: words.remedy,
        request_id,
        status: words.status.as_u16(),
    };
    match error.render() {
        Ok(html) => page(words.status, html, &PagePolicy::default()),
        Err(_) => words.status.into_response(),
    }
}

/// A request whose client or redirect URI isn't established.
pub fn unverified(reason: UnverifiedReason, request_id: &str) -> Response {
    let (title, message) = match reason {
        UnverifiedReason::ClientMissing => (
            "No application named",
            "The request that sent you here doesn't say which application it comes from: client_id is missing.",
        ),
        // One page for all three: strangers don't learn which applications there are.
        UnverifiedReason::UnknownClient
        | UnverifiedReason::ClientDisabled
        | UnverifiedReason::GrantNotPermitted => (
            "Unknown application",
            "The application that sent you here isn't registered with this server.",
        ),
        UnverifiedReason::RedirectUri => (
            "Unregistered return address",
            "The application asked to send you to an address that isn't registered for it.",
        ),
        UnverifiedReason::RedirectUriMissing => (
            "No return address",
            "The application didn't say where to send you afterwards: redirect_uri is missing.",
        ),
        UnverifiedReason::ClientIdTwice => (
            "Ambiguous request",
            "The application named itself more than once (client_id).",
        ),
        UnverifiedReason::RedirectUriTwice => (
            "Ambiguous request",
            "The application named its return address more than once (redirect_uri).",
        ),
        UnverifiedReason::StateTooLong => (
            "Request too long",
            "The application sent a state of more than 4,096 bytes.",
        ),
        UnverifiedReason::NonceTooLong => (
            "Request too long",
            "The application sent a nonce of more than 4,096 bytes.",
        ),
    };
    let words = Words {
        status: StatusCode::BAD_REQUEST,
        title,
        message,
        remedy: "Go back to the application. If it happens again, tell its developers the request id.",
        recorded: None,
    };
    show(&words, request_id)
}

/// A failure of ours.
pub fn failed(error: &FlowError, request_id: &str) -> Response {
    let (status, _, _) = status_of(error);
    tracing::error!(%error, "request failed");
    let busy = status == StatusCode::SERVICE_UNAVAILABLE;
    let words = Words {
        status,
        title: if busy {
            "Busy right now"
        } else {
            "Something went wrong"
        },
        message: if busy {
            "The server has more to do than it can at this moment."
        } else {
            "The server failed to answer. This is not your fault."
        },
        remedy: if busy {
            "Wait a few seconds, go back, and try again."
        } else {
            "Try again. If it happens again, tell the server's operator the request id."
        },
        recorded: None,
    };
    let mut response = show(&words, request_id);
    response.extensions_mut().insert(Noted::failed(error));
    if busy {
        response
            .headers_mut()
            .insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}
