//! Sending decisions to an issuer: beside answering, and for `events import --to`.

use super::args::read_file;
use super::error::CliError;
use crate::config::Ratio;
use crate::metrics::AuthorizerMetrics;
use crate::notify::decisions::{NotTaken, Shipper, Taken};
use crate::telemetry::DecisionLines;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use zeroize::Zeroizing;

/// A decision waits so long for others to be sent with.
const LINGER: Duration = Duration::from_millis(250);
/// Before something that failed is tried again; longer each time.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_mins(1);
/// What one request holds, within the issuer's `http.body_limit_bytes` by default.
pub const BATCH_BYTES: usize = 60_000;
/// How long the end of the program waits for the issuer.
const LAST_WAIT: Duration = Duration::from_secs(5);

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
    let secret = Zeroizing::new(read_file(secret)?);
    Shipper::new(issuer, client_id, secret.trim()).map_err(CliError::usage)
}

/// Sends what comes into the queue.
pub struct Shipping {
    queue: DecisionLines,
    shipper: Shipper,
    metrics: AuthorizerMetrics,
    batch: Vec<String>,
    lost: u64,
    most_bytes: usize,
}

impl Shipping {
    /// From this queue to that issuer.
    pub fn new(queue: DecisionLines, shipper: Shipper, metrics: AuthorizerMetrics) -> Self {
        Self {
            queue,
            shipper,
            metrics,
            batch: Vec::new(),
            lost: 0,
            most_bytes: BATCH_BYTES,
        }
    }

    /// Sends one batch; one that isn't taken stays for the next call. Returns whether there was any.
    ///
    /// # Errors
    /// [`NotTaken`], but never because of its size: then it was made smaller.
    async fn send(&mut self) -> Result<bool, NotTaken> {
        if self.batch.is_empty() {
            let (batch, lost) = self.queue.take(self.most_bytes);
            self.batch = batch;
            self.metrics.decisions_lost(lost);
            self.lost += lost;
        }
        if self.batch.is_empty() && self.lost == 0 {
            return Ok(false);
        }
        match self.shipper.send(&self.batch, self.lost).await {
            Ok(Taken { .. }) => {
                self.metrics.decisions_shipped(self.batch.len() as u64);
                self.batch.clear();
                self.lost = 0;
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
            self.most_bytes = (self.most_bytes / 2).max(1);
        } else {
            self.lost += self.batch.len() as u64;
            self.metrics.decisions_lost(self.batch.len() as u64);
            self.batch.clear();
        }
    }

    async fn send_all(&mut self) -> Result<(), NotTaken> {
        while self.send().await? {}
        Ok(())
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
            let mut pause = None;
            loop {
                if pause.is_none() {
                    queue.came().await;
                }
                sleep(pause.unwrap_or(LINGER)).await;
                let outcome = sending.lock().await.send_all().await;
                pause = tell(outcome, pause);
            }
        });
        Self { shipping, task }
    }

    /// Sends what waits, for a few seconds at most.
    pub async fn finish(self) {
        self.task.abort();
        let mut shipping = self.shipping.lock().await;
        if !matches!(timeout(LAST_WAIT, shipping.send_all()).await, Ok(Ok(()))) {
            let waiting = shipping.batch.len() + shipping.queue.waiting_lines();
            tracing::warn!(
                waiting,
                "the last decisions were not sent; the log has them"
            );
        }
    }
}

/// Says once that sending fails, and once that it works again. Returns how long to wait before it's tried again.
fn tell(outcome: Result<(), NotTaken>, pause: Option<Duration>) -> Option<Duration> {
    let problem = match outcome {
        Ok(()) => {
            if pause.is_some() {
                tracing::info!("decisions are sent again");
            }
            return None;
        }
        Err(NotTaken::TooLarge) => "they are too large".to_owned(),
        Err(NotTaken::Refused(words) | NotTaken::Failed(words)) => words,
    };
    if pause.is_none() {
        tracing::warn!(
            problem,
            "decisions can't be sent and wait: check --ship-to and that its client may have the scope gatewright:decisions"
        );
    }
    Some(pause.map_or(FIRST_PAUSE, |pause| (pause * 2).min(LONGEST_PAUSE)))
}

/// Sends a batch until it's taken; for a command that somebody waits for.
///
/// # Errors
/// [`CliError::Failed`]
pub async fn send_patiently(shipper: &mut Shipper, lines: &[String]) -> Result<Taken, CliError> {
    let mut pause = FIRST_PAUSE;
    let mut attempts = 5;
    loop {
        let problem = match shipper.send(lines, 0).await {
            Ok(taken) => return Ok(taken),
            Err(NotTaken::Failed(words)) if attempts > 1 => words,
            Err(NotTaken::TooLarge) => {
                return Err(CliError::failed(
                    "the issuer takes less at once: raise its http.body_limit_bytes to 65536",
                ));
            }
            Err(NotTaken::Refused(words) | NotTaken::Failed(words)) => {
                return Err(CliError::failed(format!(
                    "the issuer doesn't take the decisions: {words}; what came before is there, so the command may be \
                     run again"
                )));
            }
        };
        tracing::debug!(problem, "trying again");
        attempts -= 1;
        sleep(pause).await;
        pause *= 2;
    }
}
