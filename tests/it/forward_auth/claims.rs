//! What must be true of a guarded API, whatever the proxy.

use super::spellings::{self, DOUBTFUL, PASSING};
use super::stage::{Api, Issuer, Server, field, installed};
use crate::cli::program::Program;
use crate::journey::process::{ask, until};
use crate::support::Answer;
use serde_json::json;
use std::net::{SocketAddr, TcpStream};

/// A proxy with the authorizer beside it and the API behind it.
pub struct Guarded<P> {
    pub address: SocketAddr,
    pub api: Api,
    pub issuer: Issuer,
    pub server: Server,
    /// Held for as long as it must run.
    _proxy: P,
    _program: Program,
}

impl<P> Guarded<P> {
    /// `start` is given the folder for its files and the addresses of authorizer and API, and says where it listens.
    pub fn new(
        from: &str,
        start: impl FnOnce(&Program, SocketAddr, SocketAddr) -> (P, SocketAddr),
    ) -> Self {
        let issuer = Issuer::new();
        let program = installed(&issuer);
        let server = Server::start(&program, &["--from", from]);
        let api = Api::start();
        let (proxy, address) = start(&program, server.address, api.address);
        until("the proxy listens", || TcpStream::connect(address).ok());
        Self {
            address,
            api,
            issuer,
            server,
            _proxy: proxy,
            _program: program,
        }
    }

    pub fn call(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.send(method, path, headers, "")
    }

    fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        ask(self.address, method, path, headers, body)
            .unwrap_or_else(|error| panic!("{method} {path}: {error}"))
    }

    pub fn bearer(&self, scope: &str) -> String {
        format!("Bearer {}", self.issuer.token(scope))
    }

    /// Refused before it reached the API.
    #[track_caller]
    pub fn refuses(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        status: u16,
    ) -> Answer {
        let answer = self.call(method, path, headers);
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.body);
        assert_eq!(self.api.got().len(), 0, "{method} {path} reached the API");
        answer
    }

    pub fn allowed_calls_reach_the_api_with_the_callers_identity(&self) {
        let token = self
            .issuer
            .token_with("orders:read profile", json!({"tenant": "acme, inc"}));
        let bearer = format!("Bearer {token}");
        let trace_id = "4bf92f3577b34da6a3ce929d0e0e4736";
        let traceparent = format!("00-{trace_id}-00f067aa0ba902b7-01");
        let headers = [
            ("authorization", bearer.as_str()),
            ("traceparent", &traceparent),
        ];
        let answer = self.call("GET", "/orders/7?x=/admin/1", &headers);
        assert_eq!(
            (answer.status.as_u16(), answer.body.as_str()),
            (200, "seen")
        );
        let got = self.api.got().pop().unwrap();
        assert_eq!(got.line, "GET /orders/7?x=/admin/1 HTTP/1.1");
        // The API's log and the authorizer's have the call under the same ids.
        let line = &self.server.decisions("worker", 1)[0];
        assert_eq!(field(line, "trace_id").unwrap(), trace_id);
        let request_id = field(line, "request_id").unwrap().as_str().unwrap();
        let identity = [
            ("x-auth-claim-tenant", "acme,%20inc"),
            ("x-auth-client-id", "worker"),
            ("x-auth-issuer", "https://issuer.example"),
            ("x-auth-request-id", request_id),
            ("x-auth-rule", "orders-read"),
            ("x-auth-scope", "orders:read profile"),
            ("x-auth-subject", "w%C3%B6rker%201"),
            ("x-auth-trace-id", trace_id),
        ];
        let identity = identity.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(got.named("x-auth-"), identity);

        let bearer = self.bearer("orders:write");
        let headers = [
            ("authorization", bearer.as_str()),
            ("content-encoding", "gzip"),
        ];
        let answer = self.send("POST", "/orders", &headers, "an order");
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert_eq!(self.api.got().pop().unwrap().body, "an order");
    }

    pub fn refusals_are_told_apart(&self) {
        let answer = self.refuses("GET", "/orders/7", &[], 401);
        assert_eq!(answer.headers["www-authenticate"], "Bearer");
        assert_eq!(answer.headers["x-auth-reason"], "token_missing");
        self.refuses(
            "GET",
            "/orders/7",
            &[("authorization", "Bearer x.y.z")],
            401,
        );
        let read = self.bearer("orders:read");
        for (method, path, reason) in [
            ("POST", "/orders", "insufficient_scope"),
            ("GET", "/admin/1", "insufficient_scope"),
            ("DELETE", "/orders/7", "no_rule"),
            ("GET", "/", "no_rule"),
            ("GET", "/auth", "no_rule"),
            ("GET", "/health/live", "no_rule"),
        ] {
            let answer = self.refuses(method, path, &[("authorization", &read)], 403);
            assert_eq!(answer.headers["x-auth-reason"], reason, "{method} {path}");
        }
    }

    /// Whatever a client says of who it is, under names that nobody has heard of too.
    pub fn identity_headers_of_a_client_are_removed(&self) {
        let bearer = self.bearer("orders:read");
        let names = [
            "X-Auth-Subject",
            "x-auth-subject",
            "X-Auth-Client-Id",
            "X-Auth-Scope",
            "X-Auth-Issuer",
            "X-Auth-Claim-Tenant",
            "X-Auth-Request-Id",
            "X-Auth-Trace-Id",
            "X_Auth_Subject",
            "X-Auth_Subject",
            "X-Auth-Reason",
            "X-Auth-Roles",
            "X_Auth_Roles",
            "X_Auth-Roles",
            "X-Auth-User",
            "X_Auth_User",
        ];
        let mut headers = vec![("authorization", bearer.as_str())];
        headers.extend(names.iter().map(|name| (*name, "spoofed")));
        let answer = self.call("GET", "/orders/7", &headers);
        assert_eq!(answer.status, 200, "{}", answer.body);
        let got = self.api.got().pop().unwrap();
        let spoofed: Vec<_> = got
            .headers
            .iter()
            .filter(|(_, value)| value.contains("spoofed"))
            .collect();
        assert!(spoofed.is_empty(), "{spoofed:?}");
        assert_eq!(got.named("x-auth-subject").len(), 1);
        // The token has no tenant; some proxies then send the header without a value.
        let claims = got.named("x-auth-claim-");
        assert!(
            claims.iter().all(|(_, value)| value.is_empty()),
            "{claims:?}"
        );
    }

    /// What could make the API do another call than the one that was judged, or take it for another's.
    pub fn headers_that_could_mislead_the_api_are_removed(&self) {
        let bearer = self.bearer("orders:read");
        let names = [
            "X-HTTP-Method-Override",
            "X_HTTP_Method_Override",
            "X-HTTP-Method",
            "X-Method-Override",
            "X-Original-Method",
            "X-Original-URL",
            "X_Original_URL",
            "X-Original-URI",
            "X-Rewrite-URL",
            "X_Rewrite_URL",
            "X-Forwarded-Uri",
            "X-Forwarded-Method",
            "X-Forwarded-Path",
            "X-Forwarded-Prefix",
            "X-Forwarded-User",
            "X-Forwarded-For",
            "X_Forwarded_For",
            "X-Forwarded-Host",
            "X-Forwarded-Proto",
            "X-Real-IP",
            "Forwarded",
        ];
        let mut headers = vec![
            ("authorization", bearer.as_str()),
            ("cookie", "a=b; c=d"),
            ("x-requested-with", "fetch"),
            ("accept", "application/json"),
        ];
        headers.extend(names.iter().map(|name| (*name, "spoofed")));
        let answer = self.call("GET", "/orders/7", &headers);
        assert_eq!(answer.status, 200, "{}", answer.body);
        let got = self.api.got().pop().unwrap();
        let spoofed = got.headers.iter();
        let spoofed: Vec<_> = spoofed
            .filter(|(_, value)| value.contains("spoofed"))
            .collect();
        assert!(spoofed.is_empty(), "{spoofed:?}");
        for (name, value) in &headers[..4] {
            assert!(
                got.headers
                    .contains(&((*name).to_owned(), (*value).to_owned())),
                "{name} is lost"
            );
        }
    }

    /// Each spelling of a path that is allowed reaches the API as what was allowed.
    pub fn what_is_allowed_is_what_the_api_gets(&self) {
        let bearer = self.bearer("orders:read");
        let passing = PASSING.map(|segment| (format!("/orders/{segment}"), true));
        let doubtful = DOUBTFUL.map(|path| (path.to_owned(), false));
        for (path, must_pass) in passing.into_iter().chain(doubtful) {
            let status = spellings::status(self.address, &path, &bearer);
            let got = self.api.got();
            assert!(!must_pass || status == Some(200), "{path}: {status:?}");
            for got in &got {
                let target = got.line.split(' ').nth(1).unwrap();
                let rule = got.named("x-auth-rule").pop().unwrap().1;
                spellings::is_covered(&path, target, &rule);
            }
            let passed = status == Some(200);
            assert_eq!(got.len(), usize::from(passed), "{path}: {status:?}");
        }
    }

    /// No token is asked for, and nobody is told of.
    pub fn a_public_route_is_open_and_tells_of_nobody(&self) {
        let good = self.bearer("orders:read");
        let spoofed = [("X-Auth-Subject", "root"), ("X-Auth-Scope", "admin")];
        for token in ["", "Bearer x.y.z", &good] {
            let mut headers = spoofed.to_vec();
            headers.extend((!token.is_empty()).then_some(("authorization", token)));
            for method in ["GET", "OPTIONS"] {
                let answer = self.call(method, "/open/1", &headers);
                assert_eq!(answer.status, 200, "{method}: {}", answer.body);
                let got = self.api.got().pop().unwrap();
                let told = got.named("x-auth-");
                let of_the_call = ["x-auth-rule", "x-auth-request-id", "x-auth-trace-id"];
                for (name, value) in &told {
                    assert!(
                        value.is_empty() || of_the_call.contains(&&**name),
                        "{name}: {value}"
                    );
                }
                assert!(told.contains(&("x-auth-rule".to_owned(), "open".to_owned())));
            }
        }
        self.refuses("POST", "/open/1", &[], 401);
        self.refuses("GET", "/open/1/2", &[], 401);
        self.refuses("GET", "/open/..%2forders%2f7", &[], 401);
        self.refuses("OPTIONS", "/orders/7", &[], 401);
    }

    pub fn headers_of_a_client_do_not_say_what_is_called(&self) {
        let bearer = self.bearer("orders:read");
        let spoofed = [
            ("X-Original-URI", "/orders/7"),
            ("X-Original-Method", "GET"),
            ("X-Original-URL", "/orders/7"),
            ("X-Forwarded-Uri", "/orders/7"),
            ("X-Forwarded-Method", "GET"),
            ("X-Rewrite-URL", "/orders/7"),
            ("X-Forwarded-For", "203.0.113.9"),
            ("X-Real-IP", "203.0.113.9"),
            ("Forwarded", "for=203.0.113.9"),
            ("authorization", &bearer),
        ];
        self.refuses("GET", "/admin/1", &spoofed, 403);
        self.refuses("DELETE", "/orders/7", &spoofed, 403);
        self.refuses("GET", "/inside", &spoofed, 403);
    }

    /// Whatever reaches the API has a path that its reader can't take for another.
    pub fn disguised_paths_reach_nothing(&self) {
        for scope in ["orders:read", "orders:read admin"] {
            let bearer = self.bearer(scope);
            for path in [
                "/admin%2f..",
                "//admin/1",
                "/admin//1",
                "/orders/..%2fadmin%2f1",
                "/orders/../admin/1",
                "/orders/%2e%2e/admin/1",
                "/orders/7/../../admin/1",
                "/%2561dmin/1",
                "/orders/7;/../admin/1",
                "/orders/7%00",
                "/orders/7%5c..",
                "/./orders/7",
                "//orders/7",
                "/orders/",
                "/orders/7/",
                "/orders/%zz",
            ] {
                // Some proxies refuse what they can't read without a length of their words.
                let answer = ask(self.address, "GET", path, &[("authorization", &bearer)], "");
                let status = answer.map_or(400, |answer| answer.status.as_u16());
                let got = self.api.got();
                assert!(got.is_empty(), "{path} reached the API as {got:?}");
                assert!(matches!(status, 400..=599), "{path}: {status}");
            }
        }
    }

    pub fn two_credentials_are_refused(&self) {
        let (read, write) = (self.bearer("orders:read"), self.bearer("orders:write"));
        for pair in [[&read, &write], [&write, &read], [&read, &read]] {
            let headers = pair.map(|value| ("authorization", value.as_str()));
            let status = self.call("GET", "/orders/7", &headers).status.as_u16();
            assert!(matches!(status, 400 | 401), "{status}");
            assert_eq!(self.api.got().len(), 0);
        }
    }

    pub fn each_call_is_one_decision_in_the_log(&self) {
        let token = self
            .issuer
            .token_with("orders:read", json!({"client_id": "logged"}));
        let bearer = format!("Bearer {token}");
        self.call("GET", "/orders/7?secret=1", &[("authorization", &bearer)]);
        self.call("DELETE", "/orders/7", &[("authorization", &bearer)]);
        assert_eq!(self.api.got().len(), 1);
        let lines = self.server.decisions("logged", 2);
        assert_eq!(lines.len(), 2);
        let expected = [
            ("allow", "rule", "orders-read"),
            ("deny", "reason", "no_rule"),
        ];
        for (line, (decision, name, value)) in lines.iter().zip(expected) {
            assert_eq!(field(line, "decision").unwrap(), decision);
            assert_eq!(field(line, name).unwrap(), value);
            assert_eq!(field(line, "kind").unwrap(), "forward_auth");
            let text = line.to_string();
            for secret in [token.rsplit('.').next().unwrap(), "secret", "w\u{f6}rker"] {
                assert!(!text.contains(secret), "{secret}: {text}");
            }
        }
    }

    /// The last claim: the authorizer ends.
    pub fn without_the_authorizer_nothing_passes(mut self) {
        let bearer = self.bearer("orders:read");
        let child = self.server.process.child();
        child.kill().unwrap();
        child.wait().unwrap();
        for headers in [&[("authorization", bearer.as_str())][..], &[]] {
            let answer = self.call("GET", "/orders/7", headers);
            assert!(answer.status.is_server_error(), "{}", answer.status);
            assert_eq!(self.api.got().len(), 0);
        }
    }
}
