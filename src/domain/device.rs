//! What kind of device a request came from: as much as its user agent says, and no more is kept of that.

use serde::{Deserialize, Serialize};

/// A coarse class; it tells an operator whether a person or a program was at work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeviceClass {
    /// A browser on a desk.
    Desktop,
    /// A browser on a phone.
    Phone,
    /// A browser on a tablet.
    Tablet,
    /// A library or a command: curl, an HTTP client of some language.
    Program,
    /// Something that says it is a robot.
    Robot,
    /// It doesn't say.
    Unknown,
}

impl DeviceClass {
    /// The class that a `User-Agent` speaks of.
    pub fn of(user_agent: Option<&str>) -> Self {
        let Some(agent) = user_agent.filter(|agent| !agent.is_empty()) else {
            return Self::Unknown;
        };
        let has = |words: &[&str]| words.iter().any(|word| agent.contains(word));
        if has(&["bot", "Bot", "crawler", "spider"]) {
            Self::Robot
        } else if !agent.starts_with("Mozilla/") {
            Self::Program
        } else if has(&["iPad", "Tablet"]) || agent.contains("Android") && !agent.contains("Mobile")
        {
            Self::Tablet
        } else if has(&["Mobile", "iPhone"]) {
            Self::Phone
        } else {
            Self::Desktop
        }
    }

    /// The value as it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Desktop => "desktop",
            Self::Phone => "phone",
            Self::Tablet => "tablet",
            Self::Program => "program",
            Self::Robot => "robot",
            Self::Unknown => "unknown",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::DeviceClass;

    #[test]
    fn agents_are_sorted_by_what_they_run_on() {
        let firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
        let iphone = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148";
        let tablet = "Mozilla/5.0 (Linux; Android 15; SM-X710) AppleWebKit/537.36 Chrome/140.0 Safari/537.36";
        let phone = "Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 Chrome/140.0 Mobile Safari/537.36";
        let robot = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)";
        for (agent, expected) in [
            (Some(firefox), DeviceClass::Desktop),
            (Some(iphone), DeviceClass::Phone),
            (Some(tablet), DeviceClass::Tablet),
            (Some(phone), DeviceClass::Phone),
            (Some(robot), DeviceClass::Robot),
            (Some("curl/8.14.1"), DeviceClass::Program),
            (Some(""), DeviceClass::Unknown),
            (None, DeviceClass::Unknown),
        ] {
            assert_eq!(DeviceClass::of(agent), expected, "{agent:?}");
        }
    }
}
