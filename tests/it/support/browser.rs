//! A browser without JavaScript: cookies, forms, redirects within the issuer.

use super::app::{Answer, TestApp};
use axum::body::Body;
use http::Method;
use std::collections::BTreeMap;
use std::sync::Mutex;

/// One browser with its own cookie jar.
pub struct Browser {
    app: TestApp,
    pub cookies: Mutex<BTreeMap<String, String>>,
}

/// A form as the page shows it.
#[derive(Debug, Clone)]
pub struct PageForm {
    pub action: String,
    pub hidden: Vec<(String, String)>,
}

impl Browser {
    pub fn new(app: &TestApp) -> Self {
        Self {
            app: app.clone(),
            cookies: Mutex::default(),
        }
    }

    /// The same cookies, against another node.
    pub fn on(&self, app: &TestApp) -> Self {
        Self {
            app: app.clone(),
            cookies: Mutex::new(self.cookies.lock().unwrap().clone()),
        }
    }

    pub fn cookie_header(&self) -> String {
        let jar = self.cookies.lock().unwrap();
        jar.iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect::<Vec<_>>()
            .join("; ")
    }

    fn keep(&self, answer: &Answer) {
        let mut jar = self.cookies.lock().unwrap();
        for header in answer.headers.get_all("set-cookie") {
            let text = header.to_str().unwrap();
            let (pair, attributes) = text.split_once(';').unwrap_or((text, ""));
            let (name, value) = pair.split_once('=').unwrap();
            if attributes.contains("Max-Age=0") {
                jar.remove(name);
            } else {
                jar.insert(name.to_owned(), value.to_owned());
            }
        }
    }

    /// One request, no redirect followed.
    pub async fn get_once(&self, path: &str) -> Answer {
        let cookies = self.cookie_header();
        let answer = self.app.get_with(path, &[("cookie", &cookies)]).await;
        self.keep(&answer);
        answer
    }

    /// Asks for the headers alone.
    pub async fn head(&self, path: &str) -> Answer {
        let cookies = self.cookie_header();
        let request = self
            .app
            .request(Method::HEAD, path, &[("cookie", &cookies)])
            .body(Body::empty())
            .unwrap();
        self.app.send(request).await
    }

    /// Follows redirects as long as they stay with the issuer.
    pub async fn get(&self, path: &str) -> Answer {
        let answer = self.get_once(path).await;
        self.follow(answer).await
    }

    async fn follow(&self, mut answer: Answer) -> Answer {
        while answer.status == 303 && answer.location().starts_with('/') {
            let next = answer.location().to_owned();
            answer = self.get_once(&next).await;
        }
        answer
    }

    /// Posts a form as a same-origin page would; no redirect followed.
    pub async fn post_once(
        &self,
        action: &str,
        fields: &[(&str, &str)],
        headers: &[(&str, &str)],
    ) -> Answer {
        let cookies = self.cookie_header();
        let mut all = vec![("cookie", cookies.as_str())];
        all.extend_from_slice(headers);
        let answer = self.app.post_with(action, fields, &all).await;
        self.keep(&answer);
        answer
    }

    /// Fills in the form of a page and sends it, following redirects within the issuer.
    pub async fn submit(&self, page: &Answer, form_id: &str, fields: &[(&str, &str)]) -> Answer {
        let form = form_of(page, form_id);
        let mut all: Vec<(&str, &str)> = form
            .hidden
            .iter()
            .map(|(n, v)| (n.as_str(), v.as_str()))
            .collect();
        all.extend_from_slice(fields);
        let headers = [
            ("origin", &*self.app.state.origin),
            ("sec-fetch-site", "same-origin"),
        ];
        let answer = self.post_once(&form.action, &all, &headers).await;
        self.follow(answer).await
    }

    /// Opens an authorization request and logs in; the answer after that.
    pub async fn log_in(&self, path: &str, login: &str, password: &str) -> Answer {
        let page = self.get(path).await;
        assert!(
            page.body.contains("id=\"login-form\""),
            "{} {}",
            page.status,
            page.body
        );
        self.submit(
            &page,
            "login-form",
            &[("login", login), ("password", password)],
        )
        .await
    }
}

/// Reads a form of a page.
#[track_caller]
pub fn form_of(page: &Answer, form_id: &str) -> PageForm {
    let marker = format!("id=\"{form_id}\"");
    let at = page
        .body
        .find(&marker)
        .unwrap_or_else(|| panic!("no {form_id}: {} {}", page.status, page.body));
    let start = page.body[..at].rfind("<form").unwrap();
    let end = start + page.body[start..].find("</form>").unwrap();
    let html = &page.body[start..end];
    let tag = &html[..html.find('>').unwrap()];
    let hidden = html
        .split("<input")
        .skip(1)
        .map(|input| &input[..input.find('>').unwrap()])
        .filter(|input| input.contains("type=\"hidden\""))
        .map(|input| (attribute(input, "name"), attribute(input, "value")))
        .collect();
    PageForm {
        action: attribute(tag, "action"),
        hidden,
    }
}

fn attribute(tag: &str, name: &str) -> String {
    let marker = format!(" {name}=\"");
    let Some(at) = tag.find(&marker) else {
        return String::new();
    };
    let rest = &tag[at + marker.len()..];
    unescape(&rest[..rest.find('"').unwrap()])
}

pub fn unescape(text: &str) -> String {
    text.replace("&#34;", "\"")
        .replace("&quot;", "\"")
        .replace("&#39;", "'")
        .replace("&#60;", "<")
        .replace("&#62;", ">")
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&#38;", "&")
        .replace("&amp;", "&")
}
