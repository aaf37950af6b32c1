//! What goes wrong before anything of ours is asked, and in an installation: `explain` says so, or `doctor` does.

use super::{Beside, cases, story};
use crate::cli::program::Program;
use crate::journey::process::{Installation, ask};
use std::io::{Read as _, Write as _};
use std::net::TcpListener;

/// A listener that answers every request with a discovery document of another name, as a proxy does that leads here.
fn named(issuer: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let body = format!("{{\"issuer\":\"{issuer}\"}}");
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.read(&mut [0; 4096]);
            let length = body.len();
            let _ = write!(
                stream,
                "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
            );
        }
    });
    url
}

/// What `doctor` prints, without its columns.
fn doctor(program: &Program) -> String {
    in_one_column(&program.run(&["doctor"]).stdout)
}

fn in_one_column(printed: &str) -> String {
    let lines = printed.lines().map(|line| {
        format!(
            "  {}",
            line.split_whitespace().collect::<Vec<_>>().join(" ")
        )
    });
    lines.collect::<Vec<_>>().join("\n")
}

cases! {
    async fn denied_without_a_log_line(app: TestApp) {
        let error = story(&app, "Y2FsbC1uby1vbmU-abcdefg", &Beside::default()).await.unwrap_err().to_string();
        format!("  {}", error.replace("database; ", "database;\n  "))
    }

    async fn discovery_by_another_name(app: TestApp) {
        drop(app);
        let url = named("https://login.example.com");
        let program = Program::sqlite().with("GATEWRIGHT_ISSUER", &url);
        program.run(&["migrate"]).succeeds();
        doctor(&program).replace(&url, "URL")
    }

    async fn proxy_that_is_not_listed(app: TestApp) {
        drop(app);
        let installation = Installation::new(&[]);
        let mut node = installation.start();
        let forwarded = [("x-forwarded-for", "198.51.100.1")];
        assert_eq!(ask(installation.address, "GET", "/jwks.json", &forwarded, "").unwrap().status, 200);
        node.terminate();
        assert!(node.ended().success());
        in_one_column(&installation.run(&["doctor"]).stdout)
    }

    async fn policy_file_of_another_issuer(app: TestApp) {
        drop(app);
        let program = Program::sqlite().with("GATEWRIGHT_ISSUER", "http://127.0.0.1:9");
        let policy = "[[issuer]]\nurl = \"http://127.0.0.1:9/\"\naudiences = [\"https://api.example.com\"]\nalgorithms = \
            [\"ES256\"]\n\n[[rule]]\nid = \"all\"\nmethods = [\"ANY\"]\npath = \"/**\"\nscopes = [\"orders:read\"]\n";
        let file = program.file("policy.toml", policy);
        let program = program.with("GATEWRIGHT_POLICY_FILE", &file);
        program.run(&["migrate"]).succeeds();
        program.run(&["client", "list"]).succeeds();
        doctor(&program).replace(&file, "policy.toml")
    }
}
