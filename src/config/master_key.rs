//! The master key: 32 bytes that seal every private key in the database.

use std::{
    fmt, fs, io,
    io::Write as _,
    path::{Path, PathBuf},
};

use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};
use base64::{
    Engine as _, alphabet,
    engine::{
        DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose::URL_SAFE_NO_PAD,
    },
};
use zeroize::{Zeroize as _, ZeroizeOnDrop, Zeroizing};

use super::{Config, MasterKeySource, checks::master_key_missing};
use crate::private_files::{self, Fault};

const LENGTH: usize = 32;
const EXPECTED: &str =
    "must be 32 bytes, as base64 (44 characters, 43 without padding) or as 64 hex digits";

/// Seals the private keys. Wiped on drop; `Debug` shows nothing of it.
#[derive(ZeroizeOnDrop)]
pub struct MasterKey([u8; LENGTH]);

impl MasterKey {
    /// The key itself.
    pub fn expose(&self) -> &[u8; LENGTH] {
        &self.0
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey(…)")
    }
}

/// What the operator should hear about the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Announcement {
    /// Nothing.
    Quiet,
    /// It did not exist and was made. With sealed keys already in the database this means that the old one is lost.
    Created(PathBuf),
    /// The database is in memory, and so is the key.
    Ephemeral,
}

impl fmt::Display for Announcement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Quiet => Ok(()),
            Self::Created(path) => write!(
                f,
                "made a master key in {}: keep a copy apart from the database; without it the signing keys are lost",
                path.display()
            ),
            Self::Ephemeral => {
                f.write_str("the database is in memory: its master key ends with this process")
            }
        }
    }
}

/// Why there is no master key. Never holds any part of it.
#[derive(Debug)]
pub enum MasterKeyError {
    /// PostgreSQL, and none was given.
    Missing,
    /// What was given is not a key: where it stood, and the expected form.
    Malformed(String),
    /// A file could not be read or made.
    Io(PathBuf, io::Error),
    /// Others could have written the file, or can read it.
    Unsafe(Fault),
    /// The system gave no random bytes.
    NoEntropy,
}

impl fmt::Display for MasterKeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => write!(f, "master_key: {}", master_key_missing()),
            Self::Malformed(place) => {
                write!(
                    f,
                    "{place}: {EXPECTED}; make one with `openssl rand -base64 32`"
                )
            }
            Self::Io(path, error) => write!(
                f,
                "the master key file {} can't be used ({error}): check master_key_file and the file's permissions",
                path.display()
            ),
            Self::Unsafe(fault) => write!(f, "the master key is not used: {fault}"),
            Self::NoEntropy => f.write_str("the system gives no random bytes for a master key"),
        }
    }
}

impl std::error::Error for MasterKeyError {}

/// Reads the master key, if there is one; `None` if it would have to be made. Makes nothing.
///
/// # Errors
/// If it is missing on PostgreSQL, malformed, or its file can't be read or isn't ours alone.
pub fn existing(config: &Config) -> Result<Option<(MasterKey, Announcement)>, MasterKeyError> {
    let key = match &config.master_key {
        Some(MasterKeySource::Value(value)) => decode(value.expose())
            .map_err(|_| MasterKeyError::Malformed("master_key".to_owned()))?,
        Some(MasterKeySource::File(path)) => read(path)?,
        None if config.database.is_postgres() => return Err(MasterKeyError::Missing),
        None => match config.database.generated_master_key_file() {
            // Also a link that leads nowhere: nothing is made in its place.
            Some(path) if path.symlink_metadata().is_ok() => read(&path)?,
            _ => return Ok(None),
        },
    };
    Ok(Some((key, Announcement::Quiet)))
}

/// Reads the master key; on SQLite makes one, once, if none was given.
///
/// # Errors
/// As [`existing`], and if its file can't be made.
pub fn resolve(config: &Config) -> Result<(MasterKey, Announcement), MasterKeyError> {
    if let Some(existing) = existing(config)? {
        return Ok(existing);
    }
    match config.database.generated_master_key_file() {
        Some(path) => create(&path),
        None => Ok((generate()?, Announcement::Ephemeral)),
    }
}

/// base64url or base64, padded or not, or hex.
pub(super) fn decode(text: &str) -> Result<MasterKey, &'static str> {
    let text = text.trim();
    let bytes = if text.len() == 2 * LENGTH {
        from_hex(text)
    } else {
        from_base64(text)
    };
    let bytes = Zeroizing::new(bytes.ok_or(EXPECTED)?);
    <[u8; LENGTH]>::try_from(bytes.as_slice())
        .map(MasterKey)
        .map_err(|_| EXPECTED)
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = text
        .chars()
        .map(|c| c.to_digit(16).and_then(|d| u8::try_from(d).ok()))
        .collect();
    let digits = Zeroizing::new(digits?);
    Some(
        digits
            .chunks_exact(2)
            .map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit))
            .collect(),
    )
}

fn from_base64(text: &str) -> Option<Vec<u8>> {
    let config =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let alphabet = if text.contains(['-', '_']) {
        &alphabet::URL_SAFE
    } else {
        &alphabet::STANDARD
    };
    GeneralPurpose::new(alphabet, config).decode(text).ok()
}

fn read(path: &Path) -> Result<MasterKey, MasterKeyError> {
    let text = private_files::read(path).map_err(|fault| match fault {
        Fault::Io(_, error) => MasterKeyError::Io(path.to_owned(), error),
        fault => MasterKeyError::Unsafe(fault),
    })?;
    decode(&text).map_err(|_| MasterKeyError::Malformed(path.display().to_string()))
}

#[expect(clippy::disallowed_methods, reason = "before there is an `Entropy`")]
fn generate() -> Result<MasterKey, MasterKeyError> {
    let mut bytes = [0; LENGTH];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| MasterKeyError::NoEntropy)?;
    let key = MasterKey(bytes);
    bytes.zeroize();
    Ok(key)
}

/// Writes a whole file under another name and links it into place: a process that comes second, or after a crash,
/// never sees half a key, and takes the one that is there.
#[expect(clippy::disallowed_methods, reason = "before there is an `Entropy`")]
fn create(path: &Path) -> Result<(MasterKey, Announcement), MasterKeyError> {
    let io = |error| MasterKeyError::Io(path.to_owned(), error);
    private_files::check_folders(path).map_err(MasterKeyError::Unsafe)?;
    let key = generate()?;
    let mut unique = [0; 8];
    SystemRandom::new()
        .fill(&mut unique)
        .map_err(|_| MasterKeyError::NoEntropy)?;
    let mut draft = path.as_os_str().to_owned();
    draft.push(format!(".{}", URL_SAFE_NO_PAD.encode(unique)));
    let draft = PathBuf::from(draft);

    let linked = write_draft(&draft, &key).and_then(|()| fs::hard_link(&draft, path));
    let removed = fs::remove_file(&draft);
    match linked {
        Ok(()) => {
            removed.and_then(|()| sync_directory_of(path)).map_err(io)?;
            Ok((key, Announcement::Created(path.to_owned())))
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            Ok((read(path)?, Announcement::Quiet))
        }
        Err(error) => Err(io(error)),
    }
}

fn write_draft(draft: &Path, key: &MasterKey) -> io::Result<()> {
    let text = Zeroizing::new(URL_SAFE_NO_PAD.encode(key.expose()));
    let mut file = private_files::create_new(draft)?;
    file.write_all(text.as_bytes())?;
    file.write_all(b"\n")?;
    file.sync_all()
}

fn sync_directory_of(path: &Path) -> io::Result<()> {
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    fs::File::open(parent)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::config::SecretText;

    fn directory(name: &str) -> PathBuf {
        let directory =
            std::env::temp_dir().join(format!("gatewright-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&directory);
        fs::create_dir_all(&directory).unwrap();
        directory
    }

    fn on_sqlite(directory: &Path) -> Config {
        let mut config = Config::default();
        config.database.url = format!("sqlite://{}", directory.join("gatewright.db").display());
        config
    }

    fn with_key(text: &str) -> Config {
        let master_key = MasterKeySource::Value(SecretText::new(text.to_owned()));
        Config {
            master_key: Some(master_key),
            ..Config::default()
        }
    }

    #[test]
    fn a_key_is_read_in_every_documented_form() {
        let bytes: [u8; 32] = std::array::from_fn(|i| u8::try_from(i * 8 + 3).unwrap());
        let hex = bytes.map(|byte| format!("{byte:02x}")).concat();
        let standard = base64::engine::general_purpose::STANDARD.encode(bytes);
        let forms = [
            hex.clone(),
            hex.to_uppercase(),
            standard.clone(),
            standard.trim_end_matches('=').to_owned(),
            URL_SAFE_NO_PAD.encode(bytes),
            format!(" {standard}\n"),
        ];
        for form in forms {
            assert_eq!(decode(&form).unwrap().expose(), &bytes, "{form}");
        }
    }

    #[test]
    fn anything_else_is_refused_without_repeating_it() {
        let hex_of_31 = "ab".repeat(31);
        let not_hex = "zz".repeat(32);
        for bad in [
            "",
            "hunter2hunter2",
            &hex_of_31,
            &not_hex,
            "AAAA",
            &"A".repeat(86),
        ] {
            let config = with_key(bad);
            let message = resolve(&config).unwrap_err().to_string();
            assert!(
                message.contains("64 hex digits") && message.contains("openssl rand -base64 32"),
                "{message}"
            );
            assert!(bad.is_empty() || !message.contains(bad), "{message}");
        }
    }

    #[test]
    fn postgresql_without_a_key_says_how_to_make_one() {
        let mut config = Config::default();
        config.database.url = "postgres://localhost/gatewright".to_owned();
        assert!(
            resolve(&config)
                .unwrap_err()
                .to_string()
                .contains("openssl rand -base64 32")
        );
    }

    #[test]
    fn on_sqlite_a_missing_key_is_made_once_with_mode_0600() {
        let directory = directory("once");
        let config = on_sqlite(&directory);
        let path = directory.join("gatewright.db.master-key");
        let (first, announced) = resolve(&config).unwrap();
        assert_eq!(announced, Announcement::Created(path.clone()));
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o7777,
            0o600
        );
        let (second, quiet) = resolve(&config).unwrap();
        assert_eq!(
            (first.expose(), quiet),
            (second.expose(), Announcement::Quiet)
        );
        assert_eq!(
            fs::read_dir(&directory).unwrap().count(),
            1,
            "no draft is left behind"
        );
        fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn processes_that_race_end_with_one_key() {
        let directory = directory("race");
        let config = on_sqlite(&directory);
        let keys: Vec<[u8; 32]> = std::thread::scope(|scope| {
            let racers: Vec<_> = (0..16)
                .map(|_| scope.spawn(|| *resolve(&config).unwrap().0.expose()))
                .collect();
            racers
                .into_iter()
                .map(|racer| racer.join().unwrap())
                .collect()
        });
        assert!(keys.windows(2).all(|pair| pair[0] == pair[1]));
        assert_eq!(fs::read_dir(&directory).unwrap().count(), 1);
        fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn a_file_that_others_can_read_is_refused_with_the_command_that_mends_it() {
        let directory = directory("loose");
        let config = on_sqlite(&directory);
        resolve(&config).unwrap();
        let path = directory.join("gatewright.db.master-key");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let error = resolve(&config).unwrap_err().to_string();
        assert!(
            error.contains(&format!("chmod 600 {}", path.display())),
            "{error}"
        );
        fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn nothing_that_can_be_printed_holds_the_key() {
        let text = "c3VwZXItc2VjcmV0LW1hc3Rlci1rZXktb2YtMzItYiE";
        let config = with_key(text);
        let (key, _) = resolve(&config).unwrap();
        let printed = format!("{config:?}{key:?}");
        assert!(
            !printed.contains(text) && !printed.contains("super-secret"),
            "{printed}"
        );
    }
}
