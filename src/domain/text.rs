//! What people can't see in a text, and what they take for something else (UTS 39).

use unicode_properties::{GeneralCategory, UnicodeGeneralCategory};
use unicode_security::restriction_level::{RestrictionLevel, RestrictionLevelDetection};
use unicode_security::{MixedScript, confusable_detection};

/// The first character of a text that leaves no ink and no space, or changes how others are read: controls, line breaks,
/// zero-width and direction-changing characters, fillers, and what Unicode has no character for.
pub fn unseen(text: &str) -> Option<char> {
    text.chars().find(|c| {
        let without_ink = matches!(
            c.general_category(),
            GeneralCategory::Control
                | GeneralCategory::Format
                | GeneralCategory::Surrogate
                | GeneralCategory::PrivateUse
                | GeneralCategory::Unassigned
                | GeneralCategory::LineSeparator
                | GeneralCategory::ParagraphSeparator
        );
        // A blank pattern is ink to Unicode.
        without_ink || *c == '\u{2800}' || is_ignorable(*c)
    })
}

/// Whether a renderer shows nothing of it (`Default_Ignorable_Code_Point`): a skeleton leaves it out.
fn is_ignorable(c: char) -> bool {
    let mut buffer = [0; 4];
    skeleton_of(c.encode_utf8(&mut buffer)).next().is_none()
}

/// Whether a text is of scripts that nobody writes together, as a Cyrillic letter among Latin ones (UTS 39 §5.2, beyond
/// "highly restrictive").
pub fn mixes_scripts(text: &str) -> bool {
    let letters: String = text.chars().filter(|c| c.is_alphanumeric()).collect();
    !letters.is_single_script()
        && !letters.check_restriction_level(RestrictionLevel::HighlyRestrictive)
}

/// What a text looks like: texts that look alike have one skeleton (UTS 39 §4).
pub fn skeleton(text: &str) -> String {
    skeleton_of(text).collect()
}

fn skeleton_of(text: &str) -> impl Iterator<Item = char> + '_ {
    confusable_detection::skeleton(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_leaves_no_ink_is_found() {
        for c in [
            '\0',
            '\n',
            '\u{1b}',
            '\u{85}',
            '\u{ad}',
            '\u{34f}',
            '\u{61c}',
            '\u{115f}',
            '\u{1160}',
            '\u{17b4}',
            '\u{180b}',
            '\u{180e}',
            '\u{200b}',
            '\u{200c}',
            '\u{200d}',
            '\u{200e}',
            '\u{200f}',
            '\u{2028}',
            '\u{202a}',
            '\u{202e}',
            '\u{2060}',
            '\u{2066}',
            '\u{2069}',
            '\u{206f}',
            '\u{2800}',
            '\u{3164}',
            '\u{e000}',
            '\u{fdd0}',
            '\u{fe0f}',
            '\u{feff}',
            '\u{ffa0}',
            '\u{fff9}',
            '\u{e0041}',
            '\u{e0100}',
            '\u{10ffff}',
            '\u{378}',
        ] {
            assert_eq!(unseen(&format!("a{c}b")), Some(c), "{c:?}");
        }
        for text in [
            "Ada Lovelace",
            "Jos\u{e9} \u{2013} \u{5b9}\u{5e9}",
            "\u{5c71}\u{7530}\u{3000}\u{592a}\u{90ce}",
            "\u{928}\u{93f}\u{917}",
            "e\u{301}",
            "\u{1f600}",
        ] {
            assert_eq!(unseen(text), None, "{text}");
        }
    }

    #[test]
    fn scripts_that_go_together_may_stand_together() {
        for text in [
            "ada.lovelace-7@example.com",
            "\u{430}\u{434}\u{430}",
            "\u{3b1}\u{3b4}\u{3b1}",
            "tanaka\u{7530}\u{4e2d}",
            "\u{30bf}\u{30ca}\u{ff76}\u{7530}",
            "\u{13a0}\u{13d7}",
            "",
        ] {
            assert!(!mixes_scripts(text), "{text}");
        }
        for text in [
            "\u{430}dmin",
            "adm\u{456}n",
            "\u{3bf}pen",
            "p\u{430}ypal",
            "ada\u{5d0}",
            "\u{430}\u{3b1}",
        ] {
            assert!(mixes_scripts(text), "{text}");
        }
    }

    #[test]
    fn what_looks_alike_has_one_skeleton() {
        for (one, other) in [
            ("admin", "\u{430}dmin"),
            ("coco", "\u{441}\u{43e}\u{441}\u{43e}"),
            ("paypal", "paypa1"),
            ("modern", "modem"),
            ("ada", "ad\u{200b}a"),
        ] {
            assert_eq!(skeleton(one), skeleton(other), "{one} {other}");
        }
        assert_ne!(skeleton("ada"), skeleton("eda"));
    }
}
