//! The closed lists of words in events: each is a bounded label as well.

use serde::{Deserialize, Serialize};

macro_rules! words {
    ($(#[$doc:meta])* $type:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum $type {
            $($(#[$variant_doc])* #[serde(rename = $text)] $variant),+
        }
        impl $type {
            /// Every value.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];
            /// The value as it is written.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }
        }
    };
}

words! {
    /// Why a login failed. The person learns none of them.
    LoginFailure {
        /// Nobody has this name.
        UnknownAccount = "unknown_account",
        /// The account stands, the password is another.
        WrongPassword = "wrong_password",
        /// The account is disabled, whatever the password.
        Disabled = "disabled",
        /// Too many failures before: not looked at.
        Throttled = "throttled",
        /// Too many accounts were tried from this address: not looked at.
        AddressThrottled = "address_throttled",
        /// The password changed while it was checked.
        PasswordChanged = "password_changed",
        /// Too many passwords waited to be checked.
        Busy = "busy",
    }
}

words! {
    /// What has to wait.
    ThrottleScope {
        /// One account.
        Account = "account",
        /// One address, for accounts that don't know the browser.
        Address = "address",
    }
}

words! {
    /// What ended a session.
    SessionEnd {
        /// The person signed out.
        Logout = "logout",
        /// The browser logged in again.
        Replaced = "replaced",
        /// An administrator ended it.
        Administration = "administration",
    }
}

words! {
    /// Why a client could not be authenticated. The caller learns none of them.
    ClientAuthFailure {
        /// There is no such client, or it is disabled.
        UnknownClient = "unknown_client",
        /// Another secret, or one that has ended.
        WrongSecret = "wrong_secret",
        /// A way of authenticating that this client isn't registered for.
        WrongMethod = "wrong_method",
        /// An assertion that is wrongly signed, out of its time, or for another server.
        AssertionRefused = "assertion_refused",
        /// An assertion that was used before.
        AssertionReplayed = "assertion_replayed",
        /// Neither HTTP Basic, nor parameters, nor an assertion that can be read.
        Unreadable = "unreadable",
    }
}

words! {
    /// Why an authorization request was answered by a page instead of the client.
    UnverifiedRequest {
        /// No such client, or not one that people log in to.
        UnknownClient = "unknown_client",
        /// Not a redirect URI of this client.
        RedirectUri = "redirect_uri",
        /// `client_id` or `redirect_uri` came twice.
        SentTwice = "sent_twice",
        /// `state` or `nonce` is longer than is carried.
        TooLong = "too_long",
    }
}

words! {
    /// What an authorizer decided.
    Decision {
        /// The call may pass.
        Allow = "allow",
        /// It may not.
        Deny = "deny",
        /// The token is no good (REST APIs: the error `Unauthorized`).
        Unauthorized = "unauthorized",
        /// Nothing could be decided.
        Fault = "fault",
    }
}

words! {
    /// Whose failure a failure of ours is.
    FailureCause {
        /// The password queue was full.
        PasswordQueue = "password_queue",
        /// The database had too much to do.
        DatabaseBusy = "database_busy",
        /// The database could not be reached, or could not write.
        DatabaseUnavailable = "database_unavailable",
        /// A defect, a damaged row, no entropy, no key.
        Internal = "internal",
    }
}
