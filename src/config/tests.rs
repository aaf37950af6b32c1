//! The table, the layers and the checks.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use super::{Config, ConfigError, KEYS, Loaded, MasterKeySource, Source, TlsProfile, example_toml};

const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

/// A file that goes away with the test.
struct Written(PathBuf);

impl Written {
    fn new(text: &str) -> Self {
        use std::sync::atomic::{AtomicU32, Ordering};
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path =
            std::env::temp_dir().join(format!("gatewright-config-{}-{count}", std::process::id()));
        std::fs::write(&path, text).unwrap();
        let own = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(&path, own).unwrap();
        Self(path)
    }
}

impl Drop for Written {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn load(toml: &str, env: &[(&str, &str)], flags: &[(&str, &str)]) -> Result<Loaded, ConfigError> {
    let file = Written::new(toml);
    let env = env
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let flags: Vec<_> = flags
        .iter()
        .map(|(key, value)| (*key, (*value).to_owned()))
        .collect();
    Config::load(Some(&file.0), env, &flags)
}

fn refusal(toml: &str, env: &[(&str, &str)]) -> String {
    load(toml, env, &[]).unwrap_err().to_string()
}

#[test]
fn nothing_given_is_the_default() {
    let loaded = Config::load(None, std::iter::empty(), &[]).unwrap();
    assert_eq!(loaded.config, Config::default());
    assert!(loaded.provenance.is_empty());
}

#[test]
fn the_example_file_is_the_default_and_holds_every_key() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("gatewright.example.toml");
    if std::env::var_os("GATEWRIGHT_TEST_WRITE").is_some() {
        std::fs::write(&path, example_toml()).unwrap();
    }
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(
        text,
        example_toml(),
        "write it anew: GATEWRIGHT_TEST_WRITE=1 cargo test --lib the_example_file"
    );
    assert_eq!(
        Config::load(Some(&path), std::iter::empty(), &[])
            .unwrap()
            .config,
        Config::default()
    );
    for key in KEYS {
        let name = key.path.rsplit('.').next().unwrap();
        assert!(
            text.lines().any(|line| line
                .trim_start_matches("# ")
                .starts_with(&format!("{name} = "))),
            "{name}"
        );
    }
}

#[test]
fn with_its_comments_taken_away_the_example_still_has_no_unknown_key() {
    let uncommented: String = example_toml()
        .lines()
        .map(|line| match line.strip_prefix("# ") {
            Some(rest) if rest.split(' ').nth(1) == Some("=") => format!("{rest}\n"),
            _ => format!("{line}\n"),
        })
        .collect();
    let message = refusal(&uncommented, &[]);
    assert!(
        !message.contains("no such") && !message.contains("TOML"),
        "{message}"
    );
}

#[test]
fn every_key_can_be_set_by_its_variable() {
    for key in KEYS {
        let loaded = Config::load(None, std::iter::once((key.env_name(), "x".to_owned())), &[]);
        let said = loaded.map_or_else(
            |error| error.to_string(),
            |loaded| format!("{:?}", loaded.provenance),
        );
        assert!(
            said.contains(key.path) && !said.contains("no such"),
            "{said}"
        );
    }
}

#[test]
fn a_flag_goes_before_a_variable_and_a_variable_before_the_file() {
    let toml = "listen = \"127.0.0.1:1\"\n\n[http]\ndrain_s = 3\nbody_timeout_s = 7\n";
    let env = [
        ("GATEWRIGHT_LISTEN", "127.0.0.1:2"),
        ("GATEWRIGHT_HTTP_DRAIN_S", "4"),
        ("PATH", "/bin"),
    ];
    let loaded = load(toml, &env, &[("listen", "127.0.0.1:3")]).unwrap();
    assert_eq!(loaded.config.listen.port(), 3);
    assert_eq!(loaded.config.http.drain_s, 4);
    assert_eq!(loaded.config.http.body_timeout_s, 7);
    let source = |key: &str| {
        loaded
            .show()
            .into_iter()
            .find(|setting| setting.key == key)
            .unwrap()
            .source
    };
    assert_eq!(source("listen"), Source::Flag("listen".to_owned()));
    assert_eq!(
        source("http.drain_s"),
        Source::Env("GATEWRIGHT_HTTP_DRAIN_S".to_owned())
    );
    assert!(matches!(
        source("http.body_timeout_s"),
        Source::File { line: 5, .. }
    ));
    assert_eq!(source("http.header_timeout_s"), Source::Default);
}

#[test]
fn the_file_may_be_named_by_a_variable() {
    let file = Written::new("[tokens]\ncode_s = 30\n");
    let env = [("GATEWRIGHT_CONFIG".to_owned(), file.0.display().to_string())];
    assert_eq!(
        Config::load(None, env.into_iter(), &[])
            .unwrap()
            .config
            .tokens
            .code_s,
        30
    );
    let missing = [(
        "GATEWRIGHT_CONFIG".to_owned(),
        "/nowhere/gatewright.toml".to_owned(),
    )];
    let error = Config::load(None, missing.into_iter(), &[])
        .unwrap_err()
        .to_string();
    assert!(error.contains("/nowhere/gatewright.toml"), "{error}");
}

#[test]
fn unknown_names_are_refused_with_the_nearest_valid_one() {
    for (toml, nearest) in [
        ("isuer = \"https://a.example\"\n", "issuer"),
        ("[databse]\nurl = \"sqlite://x\"\n", "database"),
        ("[database]\nuri = \"sqlite://x\"\n", "database.url"),
        ("[http]\ndrain = 3\n", "http.drain_s"),
        ("[tokens]\nrefresh_idle = 3\n", "tokens.refresh_idle_s"),
    ] {
        let message = refusal(toml, &[]);
        assert!(
            message.contains(&format!("did you mean {nearest}?")),
            "{message}"
        );
    }
    let message = refusal("", &[("GATEWRIGHT_DATABASE_URI", "x")]);
    assert!(
        message.contains("GATEWRIGHT_DATABASE_URI")
            && message.contains("mean GATEWRIGHT_DATABASE_URL?"),
        "{message}"
    );
    let message = load("", &[], &[("lsten", "x")]).unwrap_err().to_string();
    assert!(message.contains("did you mean listen?"), "{message}");
}

#[test]
fn everything_wrong_is_told_at_once_with_its_place() {
    let toml =
        "issuer = \"http://login.example.com\"\nlisten = 8080\n[http]\ndrain_s = 0\nnonsense = 1\n";
    let error = load(toml, &[("GATEWRIGHT_LOG_FORMAT", "xml")], &[]).unwrap_err();
    let message = error.to_string();
    assert_eq!(error.problems.len(), 5, "{message}");
    for (key, place) in [
        ("issuer", ":1)"),
        ("listen", ":2)"),
        ("http.drain_s", ":4)"),
        ("http.nonsense", ":5)"),
    ] {
        assert!(
            message
                .lines()
                .any(|line| line.contains(key) && line.contains(place)),
            "{key} {place}\n{message}"
        );
    }
    assert!(
        message.contains("log.format (GATEWRIGHT_LOG_FORMAT): must be one of human, json"),
        "{message}"
    );
}

#[test]
fn values_out_of_range_or_of_another_type_are_refused() {
    for toml in [
        "[tokens]\nrefresh_grace_s = 61",
        "[tokens]\naccess_token_s = 0",
        "[tokens]\naccess_token_s = 300.0",
        "[tokens]\naccess_token_s = \"300\"",
        "[tokens]\nrefresh_idle_s = 7776001",
        "[session]\nidle_s = 86401",
        "[password]\nmemory_kib = 19",
        "[password]\nslots = 0",
        "[database]\nmax_connections = -1",
        "[http]\nmax_connections = 99999999999",
        "[log]\nlevel = \"verbose\"",
        "database = 3",
        "trusted_proxies = [\"0.0.0.0/0\"]",
        "trusted_proxies = [\"::/0\"]",
        "trusted_proxies = [\"proxy.example\"]",
        "trusted_proxies = [1]",
        "listen = \"localhost:8080\"",
        "issuer = \"\"",
        "[cors]\norigins = [\"*\"]",
        "[cors]\norigins = [\"null\"]",
        "[cors]\norigins = [\"https://a.example/\"]",
        "[database]\nurl = \"mysql://localhost/x\"",
        "[tls]\ncertificate_file = \"a.pem\"",
        "[tls]\nkey_file = \"a.pem\"",
        "[tls]\ncertificate_file = \"a.pem\"\nkey_file = \"b.pem\"",
        "[tls]\nprofile = \"fapi\"",
        "issuer = \"https://a.example\"\n[tls]\ncertificate_file = \"a.pem\"\nkey_file = \"b.pem\"\nprofile = \"old\"",
        "[http]\nmax_connections_per_address = 0",
        "[http]\nmax_streams = 0",
        "[http]\nmemory_mib = 15",
        "master_key = \"short\"",
        "[database]\nurl = \"postgres://localhost/x\"",
        "issuer = \"https://a.example\"\nissuer = \"https://a.example\"",
    ] {
        assert!(load(toml, &[], &[]).is_err(), "{toml}");
    }
}

#[test]
fn the_profile_of_tls_is_the_default_unless_it_is_named() {
    let tls = "issuer = \"https://a.example\"\n[tls]\ncertificate_file = \"a.pem\"\nkey_file = \"b.pem\"\n";
    for (line, profile) in [
        ("", TlsProfile::Default),
        ("profile = \"default\"", TlsProfile::Default),
        ("profile = \"fapi\"", TlsProfile::Fapi),
    ] {
        let loaded = load(&format!("{tls}{line}"), &[], &[]).unwrap();
        assert_eq!(loaded.config.tls.unwrap().profile, profile, "{line}");
    }
}

#[test]
fn lists_in_a_variable_are_comma_separated() {
    let env = [
        ("GATEWRIGHT_TRUSTED_PROXIES", "10.0.0.0/8, 192.0.2.1,"),
        (
            "GATEWRIGHT_CORS_ORIGINS",
            "https://a.example,https://b.example:8443",
        ),
    ];
    let config = load("", &env, &[]).unwrap().config;
    let proxies: Vec<_> = config
        .trusted_proxies
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(proxies, ["10.0.0.0/8", "192.0.2.1/32"]);
    assert_eq!(
        config.cors.origins,
        ["https://a.example", "https://b.example:8443"]
    );
}

#[test]
fn a_secret_is_a_value_or_a_file_and_not_both() {
    let url = Written::new("postgres://gw:hunter2@db/gw\n");
    let toml = format!(
        "master_key = \"{KEY}\"\n[database]\nurl_file = \"{}\"\n",
        url.0.display()
    );
    let loaded = load(&toml, &[], &[]).unwrap();
    assert_eq!(loaded.config.database.url, "postgres://gw:hunter2@db/gw");
    assert!(matches!(
        loaded.config.master_key,
        Some(MasterKeySource::Value(_))
    ));

    let both = format!("master_key = \"{KEY}\"\nmaster_key_file = \"/x\"\n");
    assert!(
        refusal(&both, &[]).contains("master_key_file"),
        "both in one layer"
    );
    let loaded = load(
        &toml,
        &[
            ("GATEWRIGHT_DATABASE_URL", "sqlite://other.db"),
            ("GATEWRIGHT_MASTER_KEY_FILE", "/x"),
        ],
        &[],
    );
    let config = loaded.unwrap().config;
    assert_eq!(
        config.database.url, "sqlite://other.db",
        "the variable goes before the file's url_file"
    );
    assert_eq!(config.master_key, Some(MasterKeySource::File("/x".into())));
}

#[test]
fn no_secret_is_shown_or_told_in_an_error() {
    let toml = format!(
        "master_key = \"{KEY}\"\n[database]\nurl = \"postgres://gw:hunter2@db/gw?sslpassword=hunter3\"\n"
    );
    let loaded = load(&toml, &[], &[]).unwrap();
    let printed = format!("{:?}{loaded:?}", loaded.show());
    for secret in ["hunter2", "hunter3", KEY] {
        assert!(!printed.contains(secret), "{printed}");
    }
    let shown: Vec<_> = loaded
        .show()
        .into_iter()
        .filter(|setting| setting.key == "database.url")
        .collect();
    assert_eq!(
        shown[0].value_masked,
        "postgres://gw:***@db/gw?sslpassword=***"
    );
    let message = refusal(
        "master_key = \"hunter2hunter2\"\n[database]\nurl = \"mysql://gw:hunter2@db\"\n",
        &[],
    );
    assert!(!message.contains("hunter2"), "{message}");
}

#[test]
fn passwords_in_urls_are_masked_however_they_are_written() {
    for (url, masked) in [
        ("postgres://db/gw", "postgres://db/gw"),
        ("postgres://gw@db/gw", "postgres://gw@db/gw"),
        ("postgres://gw:p@ss@db/gw", "postgres://gw:***@db/gw"),
        ("postgres://gw:p/ss@db/gw", "postgres://gw:***@db/gw"),
        ("postgres://gw:p?ss@db/gw", "postgres://***"),
        ("postgres:///gw?host=/run&password=p@ss", "postgres://***"),
        (
            "postgres:///gw?host=/run&password=pass",
            "postgres:///gw?host=/run&password=***",
        ),
        ("sqlite://gatewright.db", "sqlite://gatewright.db"),
    ] {
        let mut config = Config::default();
        config.database.url = url.to_owned();
        assert_eq!(config.database.masked_url(), masked, "{url}");
    }
}

#[test]
fn a_generated_master_key_is_shown_as_such() {
    let loaded = Config::load(None, std::iter::empty(), &[]).unwrap();
    let shown = loaded
        .show()
        .into_iter()
        .find(|setting| setting.key == "master_key_file")
        .unwrap();
    assert_eq!(
        (shown.value_masked.as_str(), shown.source),
        ("gatewright.db.master-key", Source::Generated)
    );
}

#[test]
fn sqlite_paths_are_relative_or_absolute() {
    for (url, file) in [
        ("sqlite://gatewright.db", Some("gatewright.db")),
        ("sqlite:///var/lib/gw.db", Some("/var/lib/gw.db")),
        ("sqlite:gw.db", Some("gw.db")),
        ("sqlite:///gw.db?mode=rwc", Some("/gw.db")),
        ("sqlite::memory:", None),
        ("sqlite://:memory:", None),
        ("sqlite://x?mode=memory", None),
        ("postgres://x/y", None),
    ] {
        let mut config = Config::default();
        config.database.url = url.to_owned();
        assert_eq!(
            config.database.sqlite_file(),
            file.map(PathBuf::from),
            "{url}"
        );
    }
}
