//! Browsers that an account knows: throttled apart from strangers, as long as the credentials stand.

use super::super::{FlowError, Issuer};
use crate::domain::{Account, Subject};
use crate::store::{Tx, known_devices};
use serde::{Deserialize, Serialize};

/// Accounts that one browser may be known to.
const DEVICE_ACCOUNTS: usize = 8;
/// Browsers that one account may know; the one that was used longest ago goes.
pub(super) const ACCOUNT_DEVICES: i64 = 8;
/// How long a browser is known after a login, seconds: as long as its cookie.
const KNOWN_S: i64 = 365 * 86_400;
const CONTEXT: &str = "device";

/// What the cookie says, sealed. The server has the last word: it keeps a row for each account that knows the device.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Device {
    pub id: String,
    subjects: Vec<Subject>,
    #[serde(skip)]
    known_to: Vec<Subject>,
}

impl Device {
    /// Reads the cookie. A row is looked for whoever it is that tries to log in.
    pub(super) async fn of(
        issuer: &Issuer,
        sealed: Option<&str>,
        now: i64,
    ) -> Result<Self, FlowError> {
        let Some(mut device) = sealed.and_then(|sealed| open(issuer, sealed)) else {
            return Ok(Self::default());
        };
        device.known_to = known_devices::known_to(&issuer.store, &device.id, now).await?;
        Ok(device)
    }

    /// Whether this person has logged in with it since their credentials last changed.
    pub(super) fn is_known_to(&self, subject: &Subject) -> bool {
        self.subjects.contains(subject) && self.known_to.contains(subject)
    }

    /// The same with an id, if it had none.
    pub(super) fn named(mut self, issuer: &Issuer) -> Result<Self, FlowError> {
        if self.id.is_empty() {
            self.id = issuer.entropy.id()?;
        }
        Ok(self)
    }

    /// The cookie after a login.
    pub(super) fn seal(mut self, issuer: &Issuer, subject: Subject) -> Result<String, FlowError> {
        self.subjects.retain(|known| *known != subject);
        self.subjects.insert(0, subject);
        self.subjects.truncate(DEVICE_ACCOUNTS);
        let plain = serde_json::to_vec(&self)?;
        let devices = &issuer.master.devices;
        Ok(devices.seal(&issuer.entropy, CONTEXT, &plain)?)
    }
}

/// Makes the device known to whoever logged in with it, in the transaction of that login.
pub(super) async fn remember(
    tx: &mut Tx,
    account: &Account,
    device_id: &str,
    now: i64,
) -> Result<(), FlowError> {
    let used = known_devices::Use {
        subject: &account.subject,
        device_id,
        credentials_epoch: account.password_changed_at,
        expires_at: now + KNOWN_S,
    };
    Ok(known_devices::remember(tx, &used, ACCOUNT_DEVICES, now).await?)
}

fn open(issuer: &Issuer, sealed: &str) -> Option<Device> {
    let plain = issuer.master.devices.open(CONTEXT, sealed).ok()?;
    serde_json::from_slice(&plain).ok()
}
