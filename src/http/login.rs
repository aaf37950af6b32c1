//! `POST /login`: the password form.

use super::admin::ADMINISTRATION;
use super::authorize::{LoginForm, csrf_holds, respond, show_login};
use super::cookies;
use super::extract::Inbound;
use super::page_error::{self, ADDRESS_THROTTLED, OUT_OF_ORDER, TOO_LONG};
use super::pages::LoginError;
use super::redirect::see_other;
use super::state::App;
use crate::domain::event::RequestRefusal;
use crate::domain::form::encode;
use crate::flows::FlowError;
use crate::flows::authorize::{AuthorizeError, client_of};
use crate::flows::interaction::Begun;
use crate::flows::login::{self, Attempt, Login};
use axum::extract::State;
use axum::response::Response;
use http::header::{RETRY_AFTER, SET_COOKIE};
use http::{HeaderValue, StatusCode};

/// Judges a login and goes on with the authorization it was asked for.
pub async fn submit(State(app): State<App>, inbound: Inbound) -> Response {
    let id = &inbound.request_id;
    let Ok(form) = &inbound.body else {
        return page_error::forged(RequestRefusal::ParametersUnreadable, id);
    };
    let sealed = form.get("interaction").unwrap_or_default();
    if form.duplicates(&[]).next().is_some() {
        return page_error::forged(RequestRefusal::ParameterTwice, id);
    }
    if let Err(reason) = csrf_holds(&app, &inbound, "login", sealed) {
        return page_error::forged(reason, id);
    }
    let browser = cookies::get(&inbound.headers, app.cookies.browser).unwrap_or_default();
    let begun = match Begun::open(&app.issuer, browser, sealed, inbound.now) {
        Ok(begun) => begun,
        Err(why) => return page_error::unopened(why, id),
    };
    let attempt = Attempt {
        login: form.get("login").unwrap_or_default(),
        password: form.get("password").unwrap_or_default(),
        address: inbound.address,
        device: cookies::get_or_former(&inbound.headers, app.cookies.device),
        former_session: cookies::get_or_former(&inbound.headers, app.cookies.session),
    };
    match login::login(&app.issuer, &attempt, inbound.now).await {
        Ok(Login::Succeeded {
            session,
            cookie,
            device,
        }) => {
            let begun = begun.proven_by(session.session_id);
            let sealed = match begun.seal(&app.issuer, browser) {
                Ok(sealed) => sealed,
                Err(error) => return page_error::failed(&error, id),
            };
            let mut response =
                see_other(&app.path(&format!("/continue?interaction={}", encode(&sealed))));
            let names = app.cookies;
            let set = [
                names.set(names.session, cookie.expose()),
                names.set_long(names.device, &device),
            ];
            for header in set.into_iter().flatten() {
                response.headers_mut().append(SET_COOKIE, header);
            }
            response
        }
        Ok(Login::Failed) => {
            let error = LoginError::WrongCredentials;
            again(&app, &inbound, &begun, attempt.login, error).await
        }
        Err(FlowError::Busy) => {
            again(&app, &inbound, &begun, attempt.login, LoginError::Busy).await
        }
        Ok(Login::AddressThrottled) => {
            let mut response = page_error::show(&ADDRESS_THROTTLED, id);
            let wait = HeaderValue::from(app.issuer.settings.address_window_s);
            response.headers_mut().insert(RETRY_AFTER, wait);
            response
        }
        Ok(Login::TooLong) => page_error::show(&TOO_LONG, id),
        Err(error) => page_error::failed(&error, id),
    }
}

/// `GET /login`: somebody reloaded or bookmarked the page of a form.
pub async fn reload(State(_): State<App>, inbound: Inbound) -> Response {
    page_error::show(&OUT_OF_ORDER, &inbound.request_id)
}

async fn again(
    app: &App,
    inbound: &Inbound,
    begun: &Begun,
    login: &str,
    error: LoginError,
) -> Response {
    let name = match name_of(app, begun).await {
        Ok(name) => name,
        Err(error) => return respond(app, inbound, None, None, Err(error)).await,
    };
    let status = match error {
        LoginError::Busy => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::UNPROCESSABLE_ENTITY,
    };
    let shown = LoginForm {
        begun,
        name: &name,
        login,
        error: Some(error),
    };
    let mut response = show_login(app, inbound, &shown, status);
    if error == LoginError::Busy {
        response
            .headers_mut()
            .insert(RETRY_AFTER, HeaderValue::from_static("2"));
    }
    response
}

/// Who asks for the login, as a person knows it.
async fn name_of(app: &App, begun: &Begun) -> Result<String, AuthorizeError> {
    match begun {
        Begun::Authorization(interaction) => {
            let registered = client_of(&app.issuer, interaction).await?;
            Ok(registered.client.name.clone())
        }
        Begun::Visit(_) => Ok(ADMINISTRATION.to_owned()),
    }
}
