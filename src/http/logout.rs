//! The end-session endpoint: asks first, unless the client shows an ID token of the session.

use super::authorize::{browser_cookie, csrf_holds, session_of};
use super::cookies;
use super::extract::Inbound;
use super::guard::Noted;
use super::headers::{PagePolicy, form_action_source, page};
use super::page_error::{self, MALFORMED, NOWHERE_TO_GO, SENT_TWICE};
use super::pages::{LoggedOutPage, LogoutPage};
use super::redirect;
use super::state::App;
use crate::domain::Account;
use crate::domain::event::RequestRefusal;
use crate::domain::form::Form;
use crate::domain::session::Session;
use crate::flows::FlowError;
use crate::flows::logout::{self, LogoutRequest, ReturnFault};
use crate::store::accounts;
use askama::Template;
use axum::extract::State;
use axum::response::Response;
use http::header::SET_COOKIE;
use http::{Method, StatusCode};

/// What the confirmation form carries along.
const CARRIED: [&str; 4] = [
    "id_token_hint",
    "client_id",
    "post_logout_redirect_uri",
    "state",
];

/// The field that says which session the question was shown in.
const SHOWN_IN: &str = "session";

/// `GET` and `POST /logout`
pub async fn logout(State(app): State<App>, inbound: Inbound) -> Response {
    let id = &inbound.request_id;
    let Ok(form) = inbound.parameters() else {
        return page_error::show(&MALFORMED, id);
    };
    if form.duplicates(&[]).next().is_some() {
        return page_error::show(&SENT_TWICE, id);
    }
    match answer(&app, &inbound, form).await {
        Ok(response) => response,
        Err(error) => page_error::failed(&error, id),
    }
}

async fn answer(app: &App, inbound: &Inbound, form: &Form) -> Result<Response, FlowError> {
    let session = session_of(app, inbound).await?;
    let request = logout::read(&app.issuer, form, session.as_ref(), inbound.now).await?;
    // By the form that asks, whether or not a session is left to end.
    let confirmed = inbound.method == Method::POST && form.get("csrf").is_some();
    let Some(session) = session else {
        return Ok(match request.to {
            Err(fault) if !confirmed => nowhere_to_go(app, fault, &inbound.request_id),
            _ => done(app, &request, (confirmed, &inbound.request_id)),
        });
    };
    // The page may be older than the session: another tab signed in again.
    let shown_in = form.get(SHOWN_IN).unwrap_or(session.session_id.as_str());
    if confirmed && let Err(reason) = csrf_holds(app, inbound, &purpose(shown_in), "") {
        return Ok(page_error::forged(reason, &inbound.request_id));
    }
    let signed_in_anew = confirmed && shown_in != session.session_id.as_str();
    let unasked = !(confirmed || request.proven && request.to.is_ok());
    if signed_in_anew || unasked {
        let account = accounts::by_subject(&app.issuer.store, &session.subject).await?;
        let asked = Asked {
            request: &request,
            session: &session,
            account: account.as_ref(),
            signed_in_anew,
        };
        return ask(app, inbound, form, &asked);
    }
    if let Some(cookie) = cookies::get_or_former(&inbound.headers, app.cookies.session) {
        logout::end(&app.issuer, cookie, inbound.now).await?;
    }
    Ok(done(app, &request, (confirmed, &inbound.request_id)))
}

fn purpose(shown_in: &str) -> String {
    format!("logout {shown_in}")
}

/// What the question is about.
struct Asked<'a> {
    request: &'a LogoutRequest,
    session: &'a Session,
    account: Option<&'a Account>,
    signed_in_anew: bool,
}

fn ask(
    app: &App,
    inbound: &Inbound,
    form: &Form,
    asked: &Asked<'_>,
) -> Result<Response, FlowError> {
    let shown_in = asked.session.session_id.as_str();
    let fault = asked.request.to.as_ref().err();
    let (browser, is_new) = browser_cookie(app, inbound)?;
    let csrf = app
        .issuer
        .master
        .csrf_token(&browser, &purpose(shown_in), "");
    // An address that can't be followed is told of now, and not carried along.
    let carried = if fault.is_none() { &CARRIED[..] } else { &[] };
    let carried = carried
        .iter()
        .filter_map(|name| Some((*name, form.get(name)?)));
    let fields = carried.chain([(SHOWN_IN, shown_in)]).collect();
    let html = LogoutPage {
        csrf: &csrf,
        action: &app.path("/logout"),
        user_display: asked.account.map_or("", Account::display_name),
        client_name: asked.request.client_name.as_deref(),
        fields,
        problem: fault.map(|fault| fault.told()),
        signed_in_anew: asked.signed_in_anew,
        cancel_href: None,
    }
    .render()
    .map_err(|error| FlowError::Internal(error.to_string()))?;
    let to = asked.request.to.as_ref().ok().and_then(Option::as_ref);
    let source = to.map(|to| form_action_source(to.as_str()));
    let policy = PagePolicy {
        form_action: source.as_deref(),
        script_nonce: None,
    };
    let status = if fault.is_some() {
        StatusCode::BAD_REQUEST
    } else {
        StatusCode::OK
    };
    let mut response = page(status, html, &policy);
    if let Some(fault) = fault {
        response.extensions_mut().insert(refused(*fault));
    }
    if is_new && let Some(cookie) = app.cookies.set(app.cookies.browser, &browser) {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    Ok(response)
}

fn refused(fault: ReturnFault) -> Noted {
    let status = StatusCode::BAD_REQUEST;
    Noted::refused(RequestRefusal::ReturnAddress, status, Some(fault.words()))
}

/// Nobody is signed in, and the address that was named can't be followed.
fn nowhere_to_go(app: &App, fault: ReturnFault, request_id: &str) -> Response {
    let mut response = page_error::show(&NOWHERE_TO_GO, request_id);
    response.extensions_mut().insert(refused(fault));
    without_session(app, response)
}

fn done(app: &App, request: &LogoutRequest, (confirmed, request_id): (bool, &str)) -> Response {
    let response = match &request.to {
        Ok(Some(to)) => redirect::after_logout(to, request.state.as_deref(), confirmed),
        Ok(None) | Err(_) => match (LoggedOutPage { continue_to: None }).render() {
            Ok(html) => page(StatusCode::OK, html, &PagePolicy::default()),
            Err(error) => page_error::failed(&FlowError::Internal(error.to_string()), request_id),
        },
    };
    without_session(app, response)
}

fn without_session(app: &App, mut response: Response) -> Response {
    if let Some(cookie) = app.cookies.remove(app.cookies.session) {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    response
}
