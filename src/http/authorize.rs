//! The authorization endpoint and the pages it leads through.

use super::cookies::{self, CookieName};
use super::extract::Inbound;
use super::headers::{PagePolicy, form_action_source, page};
use super::page_error::{self, MALFORMED, OUT_OF_ORDER};
use super::pages::{ConsentPage, ContinuePage, LoginError, LoginPage, describe_scope, destination};
use super::redirect;
use super::state::App;
use crate::crypto::token::equal;
use crate::domain::client::Client;
use crate::domain::event::{BrowserSession, RequestRefusal};
use crate::domain::form::{Form, encode};
use crate::domain::session::Session;
use crate::domain::{Account, SessionId};
use crate::flows::authorize::{self, AuthorizeError, Next};
use crate::flows::interaction::{Begun, Interaction, Unopened};
use crate::flows::{FlowError, consent, sessions};
use askama::Template;
use axum::extract::State;
use axum::response::Response;
use http::header::SET_COOKIE;
use http::{Method, StatusCode};

/// Fields that the forms of `/consent` have; any other was added by somebody.
const CONSENT_FIELDS: [&str; 2] = ["csrf", "decision"];

/// `GET` and `POST /authorize`
pub async fn authorize(State(app): State<App>, inbound: Inbound) -> Response {
    let Ok(form) = inbound.parameters() else {
        return page_error::show(&MALFORMED, &inbound.request_id);
    };
    // Cookies with SameSite=Lax don't come with a POST from another site, but with the GET that follows it.
    if inbound.method == Method::POST && !inbound.is_same_origin(&app.origin) {
        let names: Vec<&str> = form.names().collect();
        let pairs: Vec<String> = names
            .iter()
            .map(|name| {
                format!(
                    "{}={}",
                    encode(name),
                    encode(form.get(name).unwrap_or_default())
                )
            })
            .collect();
        let distinct = form.duplicates(&[]).next().is_none();
        if distinct && pairs.iter().map(String::len).sum::<usize>() < 8192 {
            return redirect::see_other(&app.path(&format!("/authorize?{}", pairs.join("&"))));
        }
    }
    let session = match session_of(&app, &inbound).await {
        Ok(session) => session,
        Err(error) => return page_error::failed(&error, &inbound.request_id),
    };
    let next = authorize::authorize(&app.issuer, form, session.as_ref(), inbound.now).await;
    respond(&app, &inbound, Some(form), session.as_ref(), next).await
}

/// `GET /continue`: goes on after a login.
pub async fn resume(State(app): State<App>, inbound: Inbound) -> Response {
    if inbound.query.is_err() {
        return page_error::show(&MALFORMED, &inbound.request_id);
    }
    let interaction = match interaction_of_query(&app, &inbound) {
        Some(Ok(Begun::Authorization(interaction))) => *interaction,
        // The page itself looks whether the login is fresh enough.
        Some(Ok(Begun::Visit(visit))) => {
            return redirect::see_other(&app.path(&visit.request.page.path()));
        }
        Some(Err(why)) => return page_error::unopened(why, &inbound.request_id),
        None => return page_error::show(&OUT_OF_ORDER, &inbound.request_id),
    };
    let session = match session_of(&app, &inbound).await {
        Ok(session) => session,
        Err(error) => return page_error::failed(&error, &inbound.request_id),
    };
    let next = authorize::resume(&app.issuer, interaction, session.as_ref(), inbound.now).await;
    respond(&app, &inbound, None, session.as_ref(), next).await
}

/// `POST /consent`: the answer to a page that asks for consent, or whether to go on.
pub async fn decide(State(app): State<App>, inbound: Inbound) -> Response {
    let id = &inbound.request_id;
    let session = match session_of(&app, &inbound).await {
        Ok(session) => session,
        Err(error) => return page_error::failed(&error, id),
    };
    let allow = match answer_of(&app, &inbound, session.as_ref()) {
        Ok(allow) => allow,
        Err(reason) => return page_error::forged(reason, id),
    };
    let interaction = match interaction_of_query(&app, &inbound) {
        Some(Ok(Begun::Authorization(interaction))) => *interaction,
        Some(Err(why)) => return page_error::unopened(why, id),
        Some(Ok(Begun::Visit(_))) | None => return page_error::show(&OUT_OF_ORDER, id),
    };
    let now = inbound.now;
    let next = consent::decide(&app.issuer, interaction, session.as_ref(), allow, now).await;
    respond(&app, &inbound, None, session.as_ref(), next).await
}

/// Whether the person allowed it, in a form that is as we made it for this browser.
fn answer_of(
    app: &App,
    inbound: &Inbound,
    session: Option<&Session>,
) -> Result<bool, RequestRefusal> {
    let (Ok(form), Ok(query)) = (&inbound.body, &inbound.query) else {
        return Err(RequestRefusal::ParametersUnreadable);
    };
    let browser = cookies::get(&inbound.headers, app.cookies.browser)
        .ok_or_else(|| without_cookie(inbound, app.cookies.browser))?;
    let untouched = form.names().all(|name| CONSENT_FIELDS.contains(&name))
        && form.duplicates(&[]).next().is_none()
        && query.names().eq(["interaction"]);
    if !untouched {
        return Err(RequestRefusal::FormAltered);
    }
    let sealed = query.get("interaction").unwrap_or_default();
    // The page may be older than the session: another tab signed in again.
    let shown_in = Begun::shown_in(&app.issuer, browser, sealed);
    let shown_in = shown_in.or_else(|| session.map(|session| session.session_id.clone()));
    let shown_in = shown_in.ok_or(RequestRefusal::FormAltered)?;
    csrf_holds(app, inbound, &consent_purpose(&shown_in), sealed)?;
    match form.get("decision") {
        Some("allow") => Ok(true),
        Some("deny") => Ok(false),
        _ => Err(RequestRefusal::FormAltered),
    }
}

/// The live session of the browser.
pub(super) async fn session_of(app: &App, inbound: &Inbound) -> Result<Option<Session>, FlowError> {
    match cookies::get_or_former(&inbound.headers, app.cookies.session) {
        None => Ok(None),
        Some(cookie) => sessions::find(&app.issuer, cookie, inbound.now).await,
    }
}

/// The interaction that the query carries, if it carries one.
fn interaction_of_query(app: &App, inbound: &Inbound) -> Option<Result<Begun, Unopened>> {
    let sealed = inbound.query.as_ref().ok()?.get("interaction")?;
    let browser = cookies::get(&inbound.headers, app.cookies.browser).unwrap_or_default();
    Some(Begun::open(&app.issuer, browser, sealed, inbound.now))
}

/// That a form came from our own page in this browser, for this purpose and content; else what it's recorded as.
pub(super) fn csrf_holds(
    app: &App,
    inbound: &Inbound,
    purpose: &str,
    content: &str,
) -> Result<(), RequestRefusal> {
    if !inbound.is_same_origin(&app.origin) {
        return Err(RequestRefusal::FormFromElsewhere);
    }
    let Some(browser) = cookies::get(&inbound.headers, app.cookies.browser) else {
        return Err(without_cookie(inbound, app.cookies.browser));
    };
    let presented = inbound.body.as_ref().ok().and_then(|form| form.get("csrf"));
    let expected = app.issuer.master.csrf_token(browser, purpose, content);
    if presented.is_some_and(|presented| equal(presented, &expected)) {
        Ok(())
    } else {
        Err(RequestRefusal::FormAltered)
    }
}

/// What a form is recorded as whose cookie is not to be had.
fn without_cookie(inbound: &Inbound, name: CookieName) -> RequestRefusal {
    if cookies::came_twice(&inbound.headers, name) {
        RequestRefusal::FormCookieTwice
    } else {
        RequestRefusal::FormWithoutCookie
    }
}

fn consent_purpose(shown_in: &SessionId) -> String {
    format!("consent {shown_in}")
}

/// Shows the page that comes next, or sends the browser back to the client. Notes a refusal.
pub(super) async fn respond(
    app: &App,
    inbound: &Inbound,
    request: Option<&Form>,
    session: Option<&Session>,
    next: Result<Next, AuthorizeError>,
) -> Response {
    let id = &inbound.request_id;
    if let Err(error) = &next {
        let browser = match (session, cookies::get(&inbound.headers, app.cookies.session)) {
            (Some(_), _) => BrowserSession::Live,
            (None, Some(_)) => BrowserSession::Ended,
            (None, None) => BrowserSession::NoCookie,
        };
        error.note(&app.issuer, request, browser, inbound.now).await;
    }
    match next {
        Ok(Next::Login(interaction, client)) => {
            let login = interaction.request.login_hint.clone().unwrap_or_default();
            let shown = LoginForm {
                begun: &Begun::Authorization(interaction),
                name: &client.client.name,
                login: &login,
                error: None,
            };
            show_login(app, inbound, &shown, StatusCode::OK)
        }
        Ok(Next::Consent(interaction, client, account)) => {
            show_consent(app, inbound, *interaction, &client.client, &account)
        }
        Ok(Next::Continue(interaction, client, account)) => {
            show_continue(app, inbound, *interaction, &client.client, &account)
        }
        Ok(Next::Respond(response)) | Err(AuthorizeError::Reportable(response)) => {
            let entropy = &app.issuer.entropy;
            match request {
                Some(_) => redirect::to_client_at_once(&response, entropy, id),
                None => redirect::to_client(&response, entropy, id),
            }
        }
        Err(AuthorizeError::Unverified(reason)) => page_error::unverified(reason, id),
        Err(AuthorizeError::Failed(error)) => page_error::failed(&error, id),
    }
}

/// What the login page shows.
pub(super) struct LoginForm<'a> {
    /// What it is for.
    pub begun: &'a Begun,
    /// Who asks, as a person knows it.
    pub name: &'a str,
    pub login: &'a str,
    pub error: Option<LoginError>,
}

/// The browser's binding cookie, and whether it has to be set.
pub(super) fn browser_cookie(app: &App, inbound: &Inbound) -> Result<(String, bool), FlowError> {
    match cookies::get(&inbound.headers, app.cookies.browser) {
        Some(cookie) if cookie.len() == 43 => Ok((cookie.to_owned(), false)),
        _ => Ok((app.issuer.entropy.token()?, true)),
    }
}

pub(super) fn show_login(
    app: &App,
    inbound: &Inbound,
    shown: &LoginForm<'_>,
    status: StatusCode,
) -> Response {
    let id = &inbound.request_id;
    let prepared = (|| {
        let (browser, is_new) = browser_cookie(app, inbound)?;
        let sealed = shown.begun.seal(&app.issuer, &browser)?;
        Ok::<_, FlowError>((browser, is_new, sealed))
    })();
    let (browser, is_new, sealed) = match prepared {
        Ok(prepared) => prepared,
        Err(error) => return page_error::failed(&error, id),
    };
    let csrf = app.issuer.master.csrf_token(&browser, "login", &sealed);
    let (source, person, leads_to) = match shown.begun {
        Begun::Authorization(interaction) => {
            let to = &interaction.request.redirect_uri;
            let native = to.is_native().then(|| destination(to.as_str()));
            (Some(form_action_source(to.as_str())), None, native)
        }
        Begun::Visit(visit) => (None, visit.request.person.as_deref(), None),
    };
    let form = LoginPage {
        csrf: &csrf,
        interaction: &sealed,
        action: &app.path("/login"),
        client_name: shown.name,
        client_uri: None,
        login: shown.login,
        error: shown.error,
        reauthenticate_as: person,
        is_application: source.is_some(),
        leads_to: leads_to.as_deref(),
    };
    let Ok(html) = form.render() else {
        return page_error::failed(&FlowError::Internal("a page can't be made".to_owned()), id);
    };
    let mut response = page(
        status,
        html,
        &PagePolicy {
            form_action: source.as_deref(),
            script_nonce: None,
        },
    );
    if is_new && let Some(cookie) = app.cookies.set(app.cookies.browser, &browser) {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    response
}

fn show_consent(
    app: &App,
    inbound: &Inbound,
    interaction: Interaction,
    client: &Client,
    account: &Account,
) -> Response {
    let request = interaction.request.clone();
    let audiences = client.audiences_for(&request.resources);
    let redirect_uri = request.redirect_uri.as_str();
    let another = interaction.answered_by_another;
    show_question(app, inbound, interaction, |csrf, action| {
        let form = ConsentPage {
            csrf,
            action,
            client_name: &client.name,
            client_uri: None,
            redirect_host: &destination(redirect_uri),
            user_display: account.display_name(),
            scopes: request
                .scope
                .iter()
                .filter(|s| *s != "openid")
                .map(describe_scope)
                .collect(),
            audiences: audiences
                .iter()
                .map(|audience| audience.as_str().to_owned())
                .collect(),
            offline: request.scope.contains("offline_access"),
            switch_href: None,
            answered_by_another: another,
        };
        form.render()
    })
}

fn show_continue(
    app: &App,
    inbound: &Inbound,
    interaction: Interaction,
    client: &Client,
    account: &Account,
) -> Response {
    let leads_to = destination(interaction.request.redirect_uri.as_str());
    let another = interaction.answered_by_another;
    show_question(app, inbound, interaction, |csrf, action| {
        let form = ContinuePage {
            csrf,
            action,
            client_name: &client.name,
            leads_to: &leads_to,
            user_display: account.display_name(),
            answered_by_another: another,
        };
        form.render()
    })
}

/// A page whose form posts an answer to `/consent`: made by `render` of the form's token and address.
fn show_question(
    app: &App,
    inbound: &Inbound,
    interaction: Interaction,
    render: impl FnOnce(&str, &str) -> askama::Result<String>,
) -> Response {
    let id = &inbound.request_id;
    let source = form_action_source(interaction.request.redirect_uri.as_str());
    let prepared = (|| {
        let viewer = interaction.viewer.clone();
        let shown_in = viewer.map(|viewer| viewer.session_id);
        let shown_in =
            shown_in.ok_or_else(|| FlowError::Internal("a page for nobody".to_owned()))?;
        let (browser, is_new) = browser_cookie(app, inbound)?;
        let begun = Begun::Authorization(Box::new(interaction));
        let sealed = begun.seal(&app.issuer, &browser)?;
        let purpose = consent_purpose(&shown_in);
        let csrf = app.issuer.master.csrf_token(&browser, &purpose, &sealed);
        let action = app.path(&format!("/consent?interaction={}", encode(&sealed)));
        let html = render(&csrf, &action)
            .map_err(|_| FlowError::Internal("a page can't be made".to_owned()))?;
        Ok::<_, FlowError>((browser, is_new, html))
    })();
    let (browser, is_new, html) = match prepared {
        Ok(prepared) => prepared,
        Err(error) => return page_error::failed(&error, id),
    };
    let mut response = page(
        StatusCode::OK,
        html,
        &PagePolicy {
            form_action: Some(&source),
            script_nonce: None,
        },
    );
    if is_new && let Some(cookie) = app.cookies.set(app.cookies.browser, &browser) {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    response
}
