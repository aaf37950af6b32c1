//! What sort of event it is: in which chain it stands, in which place it waits, and what goes first when the table is
//! full.

use super::Happening;

/// The sorts, the weightiest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Sort {
    /// What matters: logins, sessions, consents, replays, keys, administration, alerts. It goes for its age alone.
    Kept,
    /// What clients and people with good credentials do all day.
    Traffic,
    /// Attempts at accounts that exist.
    Attempts,
    /// What authorizers decided.
    Decisions,
    /// Refusals that a stranger can cause, as many as they like.
    Refusals,
}

impl Sort {
    /// Every value, in the order in which chains are written.
    pub const ALL: [Self; 5] = [
        Self::Kept,
        Self::Traffic,
        Self::Attempts,
        Self::Decisions,
        Self::Refusals,
    ];

    /// What follows the node's name in the name of the chain; no node's name has a slash.
    const fn suffix(self) -> &'static str {
        match self {
            Self::Kept => "",
            Self::Traffic => "/traffic",
            Self::Attempts => "/attempts",
            Self::Decisions => "/decisions",
            Self::Refusals => "/refusals",
        }
    }

    /// The name of a node's chain.
    pub fn chain(self, node: &str) -> String {
        format!("{node}{}", self.suffix())
    }

    /// The sort of what stands in a chain.
    pub fn of_chain(writer: &str) -> Self {
        let is = |sort: &Self| *sort != Self::Kept && writer.ends_with(sort.suffix());
        Self::ALL.into_iter().find(is).unwrap_or(Self::Kept)
    }

    /// The node that writes a chain.
    pub fn node(writer: &str) -> &str {
        let suffix = Self::of_chain(writer).suffix();
        writer.strip_suffix(suffix).unwrap_or(writer)
    }

    /// Whether a stranger can cause it, so that only so many are recorded one by one.
    pub fn is_sampled(self) -> bool {
        matches!(self, Self::Attempts | Self::Refusals)
    }
}

impl Happening {
    /// Of what sort it is.
    pub fn sort(&self) -> Sort {
        match self {
            Self::TokenIssued { .. }
            | Self::TokensIssued { .. }
            | Self::TokenRefreshed { .. }
            | Self::RefreshRetried { .. }
            | Self::CodeIssued { .. }
            | Self::CodeRedeemed { .. }
            | Self::ClientAuthenticated { .. } => Sort::Traffic,
            Self::LoginFailed {
                subject: Some(_), ..
            }
            | Self::LoginThrottled { .. } => Sort::Attempts,
            Self::AccessDecided { .. } | Self::DecisionsLost { .. } => Sort::Decisions,
            Self::LoginFailed { subject: None, .. }
            | Self::AuthorizationRefused { .. }
            | Self::TokenRefused { .. }
            | Self::ClientAuthenticationFailed { .. }
            | Self::AccessRefused { .. }
            | Self::RequestRefused { .. }
            | Self::RequestFailed { .. } => Sort::Refusals,
            _ => Sort::Kept,
        }
    }

    /// The same as one of many: without what tells one from the other. `named` keeps whom it is about, of whom there may be
    /// as many as a stranger likes.
    #[must_use]
    pub fn as_one_of_many(self, named: bool) -> Self {
        match self {
            Self::LoginFailed {
                reason, subject, ..
            } => Self::LoginFailed {
                reason,
                subject: subject.filter(|_| named),
                same_password_accounts: None,
            },
            Self::LoginThrottled { scope, subject } => Self::LoginThrottled {
                scope,
                subject: subject.filter(|_| named),
            },
            Self::AuthorizationRefused {
                client_id,
                error,
                unverified,
                ..
            } => Self::AuthorizationRefused {
                client_id: client_id.filter(|_| named),
                error,
                unverified,
                words: None,
                redirect_uri: None,
                beyond: None,
                browser: None,
            },
            Self::TokenRefused {
                grant,
                client_id,
                error,
                words,
                ..
            } => Self::TokenRefused {
                grant,
                client_id: client_id.filter(|_| named),
                error,
                words: if named { words } else { String::new() },
                cause: None,
                grant_id: None,
                beyond: None,
            },
            Self::ClientAuthenticationFailed {
                client_id, reason, ..
            } => Self::ClientAuthenticationFailed {
                client_id: client_id.filter(|_| named),
                reason,
                presented: None,
                assertion: None,
            },
            Self::AccessRefused {
                endpoint,
                client_id,
                subject,
                reason,
            } => Self::AccessRefused {
                endpoint,
                client_id: client_id.filter(|_| named),
                subject: subject.filter(|_| named),
                reason,
            },
            Self::RequestRefused { reason, status, .. } => Self::RequestRefused {
                reason,
                status,
                words: None,
            },
            Self::RequestFailed { cause, words } => Self::RequestFailed {
                cause,
                words: if named { words } else { String::new() },
            },
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_is_named_after_its_node_and_sort() {
        for sort in Sort::ALL {
            let chain = sort.chain("node-1.example");
            assert_eq!(Sort::of_chain(&chain), sort);
            assert_eq!(Sort::node(&chain), "node-1.example");
        }
        assert_eq!(Sort::Kept.chain("a"), "a");
    }
}
