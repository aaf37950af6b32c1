//! Every error says what to do next, on standard error, with the right exit code.

use super::program::Program;

#[test]
fn every_error_says_what_to_do() {
    let program = Program::sqlite();
    program.machine("worker");
    let ada = program.user("ada");
    let sub_of_ada = ada["sub"].as_str().unwrap();
    let wrong: &[(&[&str], i32, &str)] = &[
        (&["clinet"], 2, "client"),
        (&["client", "show", "nope"], 1, "gatewright client list"),
        (
            &["client", "update", "nope", "--name", "x"],
            1,
            "gatewright client list",
        ),
        (
            &["client", "update", "worker"],
            2,
            "gatewright client update --help",
        ),
        (
            &[
                "client",
                "create",
                sub_of_ada,
                "--grant",
                "client_credentials",
            ],
            2,
            "person's sub",
        ),
        (&["client", "disable", "nope"], 1, "gatewright client list"),
        (&["client", "enable", "nope"], 1, "gatewright client list"),
        (&["client", "delete", "nope"], 1, "gatewright client list"),
        (
            &["client", "secret", "add", "nope"],
            1,
            "gatewright client list",
        ),
        (
            &["client", "secret", "list", "nope"],
            1,
            "gatewright client list",
        ),
        (
            &["client", "secret", "revoke", "worker", "nope"],
            1,
            "gatewright client secret list worker",
        ),
        (
            &["client", "secret", "add", "worker", "--expires-in", "1"],
            2,
            "from 60 to",
        ),
        (&["client", "create", "x"], 2, "--grant"),
        (
            &["client", "create", "x", "--grant", "implicit"],
            2,
            "authorization_code",
        ),
        (
            &["client", "create", "x", "--grant", "authorization_code"],
            2,
            "--redirect-uri",
        ),
        (
            &["client", "create", "x", "--grant", "refresh_token"],
            2,
            "--grant authorization_code",
        ),
        (
            &[
                "client",
                "create",
                "x",
                "--grant",
                "client_credentials",
                "--name",
                "a\u{202e}b",
            ],
            2,
            "remove",
        ),
        (
            &[
                "client",
                "create",
                "x",
                "--grant",
                "client_credentials",
                "--auth-method",
                "none",
            ],
            2,
            "--auth-method",
        ),
        (
            &["client", "update", "worker", "--redirect-uri", "/cb"],
            2,
            "absolute URI",
        ),
        (&["user", "show", "nope"], 1, "gatewright user list"),
        (
            &["user", "update", "nope", "--username", "x"],
            1,
            "gatewright user list",
        ),
        (
            &["user", "update", "ada", "--email", "x"],
            2,
            "ada@example.com",
        ),
        (
            &["user", "update", "ada"],
            2,
            "gatewright user update --help",
        ),
        (
            &["user", "create", "ada", "--no-password"],
            1,
            "gatewright user update",
        ),
        (&["user", "disable", "nope"], 1, "gatewright user list"),
        (&["user", "delete", "nope"], 1, "gatewright user list"),
        (&["user", "sessions", "nope"], 1, "gatewright user list"),
        (
            &["user", "sessions", "ada", "--end", "-x"],
            1,
            "gatewright user sessions ada",
        ),
        (&["key", "retire", "nope"], 1, "gatewright key list"),
        (
            &["--database-url", "mysql://x", "user", "list"],
            2,
            "sqlite://",
        ),
        (
            &["--issuer", "http://login.example.com", "user", "list"],
            2,
            "https://",
        ),
        (
            &[
                "--database-url",
                "sqlite:///proc/nowhere/gw.db",
                "user",
                "create",
                "ada",
                "--no-password",
            ],
            1,
            "database.url",
        ),
        (
            &["--listen", "127.0.0.1:1", "demo"],
            2,
            "gatewright demo --help",
        ),
        (
            &["policy", "check", "--policy", "x", "--issuer", "x"],
            2,
            "gatewright policy --help",
        ),
    ];
    for (args, code, words) in wrong {
        let said = program.run(args);
        assert_eq!(
            (said.code, said.stdout.as_str()),
            (*code, ""),
            "{args:?}: {}",
            said.stderr
        );
        assert!(
            said.stderr.contains("error: ") && said.stderr.contains(words),
            "{args:?}: {}",
            said.stderr
        );
        assert!(
            !said.stderr.contains("panicked"),
            "{args:?}: {}",
            said.stderr
        );
    }
}

#[test]
fn every_command_has_help_that_names_its_options() {
    let program = Program::sqlite();
    let commands = [
        "",
        "serve",
        "demo",
        "gateway",
        "migrate",
        "client",
        "client create",
        "client list",
        "client show",
        "client update",
        "client disable",
        "client enable",
        "client delete",
        "client secret",
        "client secret add",
        "client secret list",
        "client secret revoke",
        "user",
        "user create",
        "user list",
        "user show",
        "user update",
        "user disable",
        "user enable",
        "user delete",
        "user set-password",
        "user sessions",
        "key",
        "key list",
        "key rotate",
        "key retire",
        "key import",
        "policy",
        "policy check",
        "policy explain",
        "policy test",
        "config",
        "config check",
        "config show",
        "doctor",
    ];
    for command in commands {
        let args: Vec<&str> = command.split_whitespace().chain(["--help"]).collect();
        let said = program.run(&args);
        assert!(
            said.succeeds().contains("Usage: gatewright"),
            "{command}: {}",
            said.stdout
        );
        assert!(!said.stdout.contains('`'), "{command}: {}", said.stdout);
        let heeds_a_configuration = !["demo", "gateway", "policy"]
            .iter()
            .any(|name| command.starts_with(name));
        assert_eq!(
            said.stdout.contains("--database-url"),
            heeds_a_configuration,
            "{command}: {}",
            said.stdout
        );
    }
}
