//! Behind real proxies, set up by the very files of `deploy/proxies`.

use super::claims::Guarded;
use super::stage::{Process, find, find_in, free_address, search};
use crate::cli::program::Program;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A file of `deploy/proxies` with other addresses and paths. Each must stand in it.
fn set_up(program: &Program, file: &str, changes: &[(&str, &str)]) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/proxies");
    let mut text = std::fs::read_to_string(folder.join(file)).unwrap();
    for (usual, here) in changes {
        assert!(text.contains(usual), "{file} has no {usual}");
        text = text.replace(usual, here);
    }
    program.file(file, &text)
}

/// The addresses that every file has, and their stand-ins.
fn addresses(authorizer: SocketAddr, api: SocketAddr) -> [(&'static str, String); 2] {
    [
        ("127.0.0.1:9180", authorizer.to_string()),
        ("127.0.0.1:3000", api.to_string()),
    ]
}

fn quietly(command: &mut Command) -> Process {
    Process::start(command.stdout(Stdio::null()).stderr(Stdio::null()))
}

fn nginx() -> Option<Guarded<Process>> {
    let nginx = find("nginx", "nginx-light")?;
    Some(Guarded::new("nginx", |program, authorizer, api| {
        let address = free_address();
        let [authorizer, api] = addresses(authorizer, api);
        let listen = format!("listen {address};");
        let folder = program.dir.0.display();
        // Where it may write without being root.
        let mut http = "http { access_log off;".to_owned();
        for kind in ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"] {
            http.push_str(&format!(" {kind}_temp_path {folder}/{kind};"));
        }
        let changes = [
            (authorizer.0, authorizer.1.as_str()),
            (api.0, api.1.as_str()),
            ("listen 8080;", &listen),
            ("http {", &http),
        ];
        let file = set_up(program, "nginx.conf", &changes);
        let globals = format!("daemon off; master_process off; pid {folder}/nginx.pid;");
        let log = format!("{folder}/error.log");
        let mut command = Process::command(&nginx);
        command.args(["-c", &file, "-e", &log, "-g", &globals]);
        (quietly(&mut command), address)
    }))
}

fn haproxy() -> Option<Guarded<Process>> {
    haproxy_with(&[])
}

fn haproxy_with(changes_of_script: &[(&str, &str)]) -> Option<Guarded<Process>> {
    let haproxy = find("haproxy", "haproxy")?;
    Some(Guarded::new("haproxy", |program, authorizer, api| {
        let address = free_address();
        let [authorizer, api] = addresses(authorizer, api);
        let bind = format!("bind {address}");
        let script = set_up(program, "haproxy.lua", changes_of_script);
        let changes = [
            (authorizer.0, authorizer.1.as_str()),
            (api.0, api.1.as_str()),
            ("bind :8080", &bind),
            ("/etc/haproxy/haproxy.lua", &script),
        ];
        let file = set_up(program, "haproxy.cfg", &changes);
        let mut command = Process::command(&haproxy);
        command.args(["-db", "-f", &file]);
        (quietly(&mut command), address)
    }))
}

fn caddy() -> Option<Guarded<Process>> {
    let caddy = find("caddy", "caddy")?;
    Some(Guarded::new("caddy", |program, authorizer, api| {
        let address = free_address();
        let [authorizer, api] = addresses(authorizer, api);
        let site = format!(
            "{{\n\tadmin off\n\tauto_https off\n}}\nhttp://:{} {{\n\tbind 127.0.0.1",
            address.port()
        );
        let changes = [
            (authorizer.0, authorizer.1.as_str()),
            (api.0, api.1.as_str()),
            (":8080 {", &site),
        ];
        let file = set_up(program, "Caddyfile", &changes);
        let mut command = Process::command(&caddy);
        command
            .args(["run", "--adapter", "caddyfile", "--config", &file])
            .env("HOME", &program.dir.0);
        (quietly(&mut command), address)
    }))
}

fn apache() -> Option<Guarded<Process>> {
    apache_with(&[])
}

fn apache_with(changes_of_script: &[(&str, &str)]) -> Option<Guarded<Process>> {
    let apache = find("apache2", "apache2-bin and lua-socket")?;
    // The script's own library, for whichever Lua the server has.
    let lua = ["5.1", "5.2", "5.3", "5.4"].map(|version| format!("/usr/share/lua/{version}"));
    find_in(lua.map(PathBuf::from), "socket.lua", "lua-socket")?;
    Some(Guarded::new("apache", |program, authorizer, api| {
        let address = free_address();
        let [authorizer, api] = addresses(authorizer, api);
        let asked = [&[(authorizer.0, authorizer.1.as_str())], changes_of_script].concat();
        let script = set_up(program, "apache.lua", &asked);
        let folder = program.dir.0.display();
        let listen = format!(
            "ServerRoot {folder}\nPidFile {folder}/apache.pid\nErrorLog {folder}/error.log\nListen {address}"
        );
        let site = format!("<VirtualHost {address}>");
        let changes = [
            (api.0, api.1.as_str()),
            ("Listen 8080", &listen),
            ("<VirtualHost *:8080>", &site),
            ("/etc/apache2/apache.lua", &script),
        ];
        let file = set_up(program, "apache.conf", &changes);
        let mut command = Process::command(&apache);
        // In one process, which doesn't fork.
        command.args(["-X", "-f", &file]);
        (quietly(&mut command), address)
    }))
}

/// Debian has no package of it: it's tried where it's installed, and never demanded.
fn envoy() -> Option<Guarded<Process>> {
    let envoy = search("envoy")?;
    Some(Guarded::new("envoy", |program, authorizer, api| {
        let address = free_address();
        let port = |address: SocketAddr| format!("port_value: {}", address.port());
        let listen = format!("address: 127.0.0.1, {}", port(address));
        let changes = [
            ("port_value: 9180", port(authorizer)),
            ("port_value: 3000", port(api)),
            ("address: 0.0.0.0, port_value: 8080", listen),
        ];
        let changes = changes
            .each_ref()
            .map(|(usual, here)| (*usual, here.as_str()));
        let file = set_up(program, "envoy.yaml", &changes);
        let mut command = Process::command(&envoy);
        command.args(["--disable-hot-restart", "-c", &file]);
        (quietly(&mut command), address)
    }))
}

/// Declares a test of each claim for a proxy.
macro_rules! guards {
    ($proxy:ident) => {
        mod $proxy {
            #[test]
            fn guards_an_api() {
                let Some(guarded) = super::$proxy() else {
                    return;
                };
                guarded.allowed_calls_reach_the_api_with_the_callers_identity();
                guarded.refusals_are_told_apart();
                guarded.identity_headers_of_a_client_are_removed();
                guarded.headers_that_could_mislead_the_api_are_removed();
                guarded.headers_of_a_client_do_not_say_what_is_called();
                guarded.disguised_paths_reach_nothing();
                guarded.what_is_allowed_is_what_the_api_gets();
                guarded.a_public_route_is_open_and_tells_of_nobody();
                guarded.two_credentials_are_refused();
                guarded.each_call_is_one_decision_in_the_log();
                guarded.without_the_authorizer_nothing_passes();
            }
        }
    };
}

guards!(nginx);
guards!(haproxy);
guards!(caddy);
guards!(apache);
guards!(envoy);

#[test]
fn a_script_that_fails_lets_nothing_pass() {
    let broken = [
        haproxy_with(&[("local asked, answer = pcall(ask, txn)", "error('broken')")]),
        haproxy_with(&[("return core.httpclient():get(", "return nothing:get(")]),
        apache_with(&[(
            "local answered, status, headers = http.request(",
            "nothing(",
        )]),
    ];
    for guarded in broken.into_iter().flatten() {
        let bearer = guarded.bearer("orders:read");
        let answer = guarded.call("GET", "/orders/7", &[("authorization", &bearer)]);
        assert!(answer.status.is_server_error(), "{}", answer.status);
        assert_eq!(guarded.api.got().len(), 0);
    }
}
