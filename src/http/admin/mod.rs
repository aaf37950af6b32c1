//! The pages and the API for administrators: what happens, and to whom.

mod activity;
pub mod api;
mod events;
mod rankings;

use super::authorize::{LoginForm, session_of, show_login};
use super::extract::Inbound;
use super::headers::{PagePolicy, page};
use super::page_error::{self, NOT_ADMINISTRATOR};
use super::redirect::see_other;
use super::state::App;
use crate::domain::Account;
use crate::flows::FlowError;
use crate::flows::admin::events::Query;
use crate::flows::interaction::Begun;
use crate::flows::own_page::{self, Access, OwnPage};
use crate::store::events::search::Filter;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;

pub use activity::activity;
pub use events::{event, events};

/// What these pages are called where a login is asked for them.
pub const ADMINISTRATION: &str = "Gatewright administration";

/// `GET /admin`
pub async fn index(State(app): State<App>) -> Response {
    see_other(&app.path("/admin/activity"))
}

/// The administrator for whom a page opens; else what is shown instead of it.
async fn admit(app: &App, inbound: &Inbound, to: OwnPage) -> Result<Account, Response> {
    let failed = |error: FlowError| page_error::failed(&error, &inbound.request_id);
    let session = session_of(app, inbound).await.map_err(failed)?;
    let access = own_page::open(&app.issuer, session.as_ref(), to, inbound.now).await;
    match access.map_err(failed)? {
        Access::Granted(account) => Ok(*account),
        Access::Refused => Err(page_error::show(&NOT_ADMINISTRATOR, &inbound.request_id)),
        Access::Login(visit) => {
            let shown = LoginForm {
                begun: &Begun::Visit(visit),
                name: ADMINISTRATION,
                login: "",
                error: None,
            };
            Err(show_login(app, inbound, &shown, StatusCode::OK))
        }
    }
}

fn show(status: StatusCode, html: Result<String, askama::Error>, inbound: &Inbound) -> Response {
    match html {
        Ok(html) => page(status, html, &PagePolicy::default()),
        Err(error) => {
            let error = FlowError::Internal(format!("a page can't be made: {error}"));
            page_error::failed(&error, &inbound.request_id)
        }
    }
}

/// Where the events that fit are listed.
fn events_href(app: &App, filter: Filter) -> String {
    let query = Query {
        filter,
        ..Query::default()
    };
    app.path(&format!("/admin/events?{}", query.parameters()))
}

/// A moment as these pages write it.
fn utc(at: i64) -> String {
    let text = crate::domain::time::rfc3339(at);
    text.trim_end_matches('Z').replace('T', " ")
}
