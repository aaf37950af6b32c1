//! Sending decisions to an issuer: beside answering, and for `events import --to`.

#![expect(clippy::disallowed_methods, reason = "the clock enters here")]

use super::args::read_secret_file;
use super::error::CliError;
use crate::config::Ratio;
use crate::crypto::Entropy;
use crate::crypto::entropy::NoEntropy;
use crate::metrics::AuthorizerMetrics;
use crate::notify::decisions::{Lost, NotTaken, Shipper, Taken};
use crate::telemetry::DecisionLines;
use gatewright_authorizer::fetch::unix_now;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

/// A decision waits so long for others to be sent with.
const LINGER: Duration = Duration::from_millis(250);
/// Before something that failed is tried again; longer each time.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_mins(1);
/// What one request holds, within the issuer's `http.body_limit_bytes` by default.
pub const BATCH_BYTES: usize = 60_000;
/// Lines of one request, within what an issuer takes.
pub const BATCH_LINES: usize = 200;
/// How long the end of the program waits for the issuer.
const LAST_WAIT: Duration = Duration::from_secs(3);

/// Where an authorizer's decisions go beside its log.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Decisions")]
pub struct ShipArgs {
    /// Send decisions to this issuer, where searches, alerts, the activity page and 'explain' know of them
    #[arg(long = "ship-to", id = "ship-to", value_name = "URL", requires_all = ["ship-client", "ship-secret-file"])]
    to: Option<String>,
    /// The issuer's client to send them as; it needs the scope gatewright:decisions and the issuer as its audience
    #[arg(
        long = "ship-client",
        id = "ship-client",
        value_name = "ID",
        requires = "ship-to"
    )]
    client: Option<String>,
    /// The file with its secret
    #[arg(
        long = "ship-secret-file",
        id = "ship-secret-file",
        value_name = "FILE",
        requires = "ship-to"
    )]
    secret_file: Option<PathBuf>,
    /// Of allowed calls, the share that is sent, 0 to 1; what was not allowed is sent whole
    #[arg(long = "ship-allowed", id = "ship-allowed", value_name = "SHARE", value_parser = share, default_value = "0.1")]
    allowed: Ratio,
}

/// A number from 0 to 1.
///
/// # Errors
/// A sentence that says so.
pub fn share(text: &str) -> Result<Ratio, String> {
    let number: Option<f64> = text.parse().ok();
    number
        .and_then(Ratio::new)
        .ok_or_else(|| "write a number from 0 to 1, such as 0.1".to_owned())
}

impl ShipArgs {
    /// The way to the issuer, and the queue before it; `None` if nothing is to be sent.
    ///
    /// # Errors
    /// [`CliError::Usage`]
    pub fn open(&self) -> Result<Option<(Shipper, DecisionLines)>, CliError> {
        let (Some(issuer), Some(client), Some(file)) = (&self.to, &self.client, &self.secret_file)
        else {
            return Ok(None);
        };
        let shipper = shipper(issuer, client, file)?;
        Ok(Some((shipper, DecisionLines::new(self.allowed))))
    }
}

/// The way to an issuer, for a client whose secret is in a file.
///
/// # Errors
/// [`CliError::Usage`]
pub fn shipper(issuer: &str, client_id: &str, secret: &Path) -> Result<Shipper, CliError> {
    let secret = read_secret_file(secret)?;
    Shipper::new(issuer, client_id, secret.trim()).map_err(CliError::usage)
}

/// Sends what comes into the queue.
pub struct Shipping {
    queue: DecisionLines,
    shipper: Shipper,
    metrics: AuthorizerMetrics,
    batch: Vec<String>,
    lost: Lost,
    /// Tells this process's reports of losses from all others.
    process: String,
    reports: u64,
    most_bytes: usize,
    most_lines: usize,
}

impl Shipping {
    /// From this queue to that issuer.
    ///
    /// # Errors
    /// [`NoEntropy`]
    pub fn new(
        queue: DecisionLines,
        shipper: Shipper,
        metrics: AuthorizerMetrics,
        entropy: &Entropy,
    ) -> Result<Self, NoEntropy> {
        Ok(Self {
            queue,
            shipper,
            metrics,
            batch: Vec::new(),
            lost: Lost::default(),
            process: entropy.token()?,
            reports: 0,
            most_bytes: BATCH_BYTES,
            most_lines: BATCH_LINES,
        })
    }

    /// Sends one batch; one that isn't taken stays for the next call. Returns whether there was any.
    async fn send(&mut self) -> Result<bool, NotTaken> {
        if self.batch.is_empty() && self.lost.count == 0 {
            let (batch, count) = self.queue.take(self.most_lines, self.most_bytes);
            self.reports += u64::from(count > 0);
            self.batch = batch;
            self.lost = Lost {
                count,
                report: format!("{}-{}", self.process, self.reports),
            };
        }
        if self.batch.is_empty() && self.lost.count == 0 {
            return Ok(false);
        }
        let sent = self.shipper.send(&self.batch, &self.lost, unix_now()).await;
        match sent {
            Ok(taken) => {
                self.metrics.decisions_shipped(taken.added + taken.known);
                if taken.passed_over > 0 {
                    self.queue.lose(taken.passed_over);
                    tracing::warn!(
                        count = taken.passed_over,
                        "the issuer doesn't know what to do with some decisions: they are over a day old, or it is of an \
                         older version; the log has them"
                    );
                }
                self.batch.clear();
                self.lost = Lost::default();
                self.most_bytes = (self.most_bytes * 2).min(BATCH_BYTES);
                self.most_lines = (self.most_lines * 2).min(BATCH_LINES);
                Ok(true)
            }
            Err(NotTaken::TooLarge) => {
                self.shrink();
                Ok(true)
            }
            Err(error) => Err(error),
        }
    }

    /// The issuer takes less at once than this: halves what is sent. A single line that is too long is lost.
    fn shrink(&mut self) {
        if self.batch.len() > 1 {
            let half = self.batch.len() / 2;
            self.queue.give_back(self.batch.split_off(half));
            let bytes = self.batch.iter().map(|line| line.len() + 1).sum();
            (self.most_bytes, self.most_lines) = (bytes, half);
        } else {
            self.queue.lose(self.batch.len() as u64);
            self.batch.clear();
        }
    }

    async fn send_all(&mut self) -> Result<(), NotTaken> {
        while self.send().await? {}
        Ok(())
    }

    /// Keeps trying, for the end of the program.
    async fn send_the_last(&mut self) {
        while self.send_all().await.is_err() {
            sleep(LINGER).await;
        }
    }
}

/// The task that sends, until it's ended.
pub struct Sending {
    shipping: Arc<Mutex<Shipping>>,
    task: JoinHandle<()>,
}

impl Sending {
    /// Starts it.
    pub fn start(shipping: Shipping) -> Self {
        let queue = shipping.queue.clone();
        let shipping = Arc::new(Mutex::new(shipping));
        let sending = Arc::clone(&shipping);
        let task = tokio::spawn(async move {
            let mut trouble = Trouble::default();
            let mut pause = None;
            loop {
                if pause.is_none() {
                    queue.came().await;
                }
                sleep(pause.unwrap_or(LINGER)).await;
                let outcome = sending.lock().await.send_all().await;
                pause = trouble.after(outcome, queue.standing().1, pause);
            }
        });
        Self { shipping, task }
    }

    /// Sends what waits, for a moment at most.
    pub async fn finish(self) {
        self.task.abort();
        let mut shipping = self.shipping.lock().await;
        if timeout(LAST_WAIT, shipping.send_the_last()).await.is_err() {
            let waiting = shipping.batch.len() + shipping.queue.standing().0;
            tracing::warn!(
                waiting,
                lost = shipping.queue.standing().1,
                "the last decisions were not sent: bring them in from the log by 'gatewright events import'"
            );
        }
    }
}

/// Tells once what is wrong, and again when it's something else.
#[derive(Default)]
struct Trouble {
    told: Option<String>,
    lost: u64,
    is_losing: bool,
}

impl Trouble {
    /// How long to wait before it's tried again; `None` if all was sent.
    fn after(
        &mut self,
        outcome: Result<(), NotTaken>,
        lost: u64,
        pause: Option<Duration>,
    ) -> Option<Duration> {
        let is_losing = lost > self.lost;
        if is_losing && !self.is_losing {
            tracing::warn!(
                lost,
                "more decisions come than can be sent, and the oldest are lost: the log has them"
            );
        }
        (self.lost, self.is_losing) = (lost, is_losing);
        let words = match outcome {
            Ok(()) => {
                if self.told.take().is_some() {
                    tracing::info!("decisions are sent again");
                }
                return None;
            }
            // The issuer's own limit, and meant so.
            Err(NotTaken::TooFast) => return Some(FIRST_PAUSE),
            Err(error) => error.to_string(),
        };
        if self.told.as_ref() != Some(&words) {
            tracing::warn!(
                problem = words,
                "decisions can't be sent and wait: check that --ship-to is the issuer's URL as it calls itself, \
                 --ship-secret-file, and that the client may have the scope gatewright:decisions"
            );
            self.told = Some(words);
        }
        Some(pause.map_or(FIRST_PAUSE, |pause| (pause * 2).min(LONGEST_PAUSE)))
    }
}

/// Sends a batch until it's taken; for a command.
///
/// # Errors
/// [`CliError::Failed`] if somebody has to change something.
pub async fn send_patiently(shipper: &mut Shipper, lines: &[String]) -> Result<Taken, CliError> {
    let mut pause = FIRST_PAUSE;
    let mut told = false;
    loop {
        match shipper.send(lines, &Lost::default(), unix_now()).await {
            Ok(taken) => return Ok(taken),
            Err(NotTaken::TooFast) => sleep(FIRST_PAUSE).await,
            Err(NotTaken::TooLarge) => {
                return Err(CliError::failed(
                    "the issuer takes less at once: raise its http.body_limit_bytes to 65536, and that of a proxy before it",
                ));
            }
            Err(NotTaken::Refused(words)) => {
                return Err(CliError::failed(format!(
                    "the issuer doesn't take the decisions: {words}; check --to, --client and --secret-file, and bring in \
                     the log again: what is there already does no harm"
                )));
            }
            Err(NotTaken::Failed(words)) => {
                if !told {
                    // To a terminal or a log: this goes on until the issuer is back.
                    eprintln!("waiting for the issuer: {words}");
                }
                told = true;
                sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fails_is_tried_again_ever_later_and_told_once() {
        let mut trouble = Trouble::default();
        let failed = |words: &str| Err(NotTaken::Failed(words.to_owned()));
        let mut pause = None;
        let mut pauses = Vec::new();
        for _ in 0..8 {
            pause = trouble.after(failed("no connection"), 0, pause);
            pauses.push(pause.unwrap().as_secs());
            assert_eq!(trouble.told.as_deref(), Some("no connection"));
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert!(trouble.after(failed("503"), 0, pause).is_some());
        assert_eq!(
            trouble.told.as_deref(),
            Some("503"),
            "another trouble is news"
        );
        // The issuer's own limit is none, and makes nobody wait for long.
        let soon = trouble.after(Err(NotTaken::TooFast), 0, pause);
        assert_eq!(soon, Some(FIRST_PAUSE));
        assert_eq!(trouble.after(Ok(()), 3, soon), None);
        assert_eq!((trouble.told, trouble.is_losing), (None, true));
    }
}
