//! The end-session endpoint: asks first, unless the client shows an ID token of the session.

use super::authorize::{browser_cookie, csrf_holds, session_of};
use super::cookies;
use super::extract::Inbound;
use super::headers::{PagePolicy, form_action_source, page};
use super::page_error::{self, FORGED, MALFORMED};
use super::pages::{LoggedOutPage, LogoutPage};
use super::redirect;
use super::state::App;
use crate::domain::Account;
use crate::domain::form::Form;
use crate::domain::session::Session;
use crate::flows::FlowError;
use crate::flows::logout::{self, LogoutRequest};
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

/// `GET` and `POST /logout`
pub async fn logout(State(app): State<App>, inbound: Inbound) -> Response {
    let id = &inbound.request_id;
    let Ok(form) = inbound.parameters() else {
        return page_error::show(&MALFORMED, id);
    };
    if form.duplicates(&[]).next().is_some() {
        return page_error::show(&MALFORMED, id);
    }
    match answer(&app, &inbound, form).await {
        Ok(response) => response,
        Err(error) => page_error::failed(&error, id),
    }
}

async fn answer(app: &App, inbound: &Inbound, form: &Form) -> Result<Response, FlowError> {
    let session = session_of(app, inbound).await?;
    let request = logout::read(&app.issuer, form, session.as_ref()).await?;
    let Some(session) = session else {
        return Ok(done(app, &request, &inbound.request_id));
    };
    let confirmed = inbound.method == Method::POST && form.raw("csrf").is_some();
    if confirmed && let Err(reason) = csrf_holds(app, inbound, &purpose(&session), "") {
        return Ok(page_error::show_because(
            &FORGED,
            reason,
            &inbound.request_id,
        ));
    }
    if !confirmed && !request.proven {
        let account = accounts::by_subject(&app.issuer.store, &session.subject).await?;
        return ask(app, inbound, form, &request, (&session, account.as_ref()));
    }
    if let Some(cookie) = cookies::get(&inbound.headers, app.cookies.session) {
        logout::end(&app.issuer, cookie, inbound.now).await?;
    }
    Ok(done(app, &request, &inbound.request_id))
}

fn purpose(session: &Session) -> String {
    format!("logout {}", session.session_id)
}

fn ask(
    app: &App,
    inbound: &Inbound,
    form: &Form,
    request: &LogoutRequest,
    (session, account): (&Session, Option<&Account>),
) -> Result<Response, FlowError> {
    let (browser, is_new) = browser_cookie(app, inbound)?;
    let csrf = app
        .issuer
        .master
        .csrf_token(&browser, &purpose(session), "");
    let fields = CARRIED
        .iter()
        .filter_map(|name| Some((*name, form.raw(name)?)))
        .collect();
    let html = LogoutPage {
        csrf: &csrf,
        action: &app.path("/logout"),
        user_display: account.map_or("", Account::display_name),
        client_name: request.client_name.as_deref(),
        fields,
        cancel_href: None,
    }
    .render()
    .map_err(|error| FlowError::Internal(error.to_string()))?;
    let source = request
        .to
        .as_ref()
        .map(|to| form_action_source(to.as_str()));
    let policy = PagePolicy {
        form_action: source.as_deref(),
        script_nonce: None,
    };
    let mut response = page(StatusCode::OK, html, &policy);
    if is_new && let Some(cookie) = app.cookies.set(app.cookies.browser, &browser) {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    Ok(response)
}

fn done(app: &App, request: &LogoutRequest, request_id: &str) -> Response {
    let mut response = match &request.to {
        Some(to) => redirect::after_logout(to, request.state.as_deref()),
        None => match (LoggedOutPage { continue_to: None }).render() {
            Ok(html) => page(StatusCode::OK, html, &PagePolicy::default()),
            Err(error) => page_error::failed(&FlowError::Internal(error.to_string()), request_id),
        },
    };
    if let Some(cookie) = app.cookies.remove(app.cookies.session) {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    response
}
