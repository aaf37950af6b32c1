//! The chunked coding (RFC 9112 §7.1) without extensions and trailers, which nobody sends and some misread.

/// Where in a chunked body the next byte stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Chunked {
    /// Digits of a size, so many read.
    Size { size: u64, digits: u8 },
    /// The line feed after a size.
    SizeEnd { size: u64 },
    /// Data, so many bytes left.
    Data { left: u64 },
    /// The carriage return after data.
    DataCr,
    /// The line feed after data.
    DataEnd,
    /// The carriage return of the last, empty line.
    LastCr,
    /// Its line feed.
    LastEnd,
    /// Nothing more.
    Done,
}

/// The body does not follow the coding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Malformed;

/// 2^28: far beyond every limit of a body, far below every overflow.
const MAX_SIZE_DIGITS: u8 = 7;

impl Chunked {
    pub const START: Self = Self::Size { size: 0, digits: 0 };

    /// Goes on over `bytes`; returns how many belong to the body.
    pub fn advance(&mut self, bytes: &[u8]) -> Result<usize, Malformed> {
        let mut at = 0;
        while let (Some(byte), false) = (bytes.get(at).copied(), *self == Self::Done) {
            if let Self::Data { left } = *self {
                let here = usize::try_from(left)
                    .unwrap_or(usize::MAX)
                    .min(bytes.len() - at);
                at += here;
                let left = left.saturating_sub(u64::try_from(here).unwrap_or(u64::MAX));
                *self = if left == 0 {
                    Self::DataCr
                } else {
                    Self::Data { left }
                };
            } else {
                *self = self.after(byte)?;
                at += 1;
            }
        }
        Ok(at)
    }

    fn after(self, byte: u8) -> Result<Self, Malformed> {
        match (self, byte) {
            (Self::Size { size, digits }, b'\r') if digits > 0 => Ok(Self::SizeEnd { size }),
            (Self::Size { size, digits }, _) if digits < MAX_SIZE_DIGITS => {
                let digit = char::from(byte).to_digit(16).ok_or(Malformed)?;
                Ok(Self::Size {
                    size: size * 16 + u64::from(digit),
                    digits: digits + 1,
                })
            }
            (Self::SizeEnd { size: 0 }, b'\n') => Ok(Self::LastCr),
            (Self::SizeEnd { size }, b'\n') => Ok(Self::Data { left: size }),
            (Self::DataCr, b'\r') => Ok(Self::DataEnd),
            (Self::DataEnd, b'\n') => Ok(Self::START),
            (Self::LastCr, b'\r') => Ok(Self::LastEnd),
            (Self::LastEnd, b'\n') => Ok(Self::Done),
            _ => Err(Malformed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Chunked, Malformed};

    #[test]
    fn a_body_ends_where_it_ends_however_it_arrives() {
        let body = b"5\r\nhello\r\nA\r\n0123456789\r\n0\r\n\r\n";
        let mut next = body.to_vec();
        next.extend_from_slice(b"GET /next");
        for step in 1..next.len() {
            let (mut state, mut taken) = (Chunked::START, 0);
            while state != Chunked::Done {
                let end = (taken + step).min(next.len());
                taken += state.advance(&next[taken..end]).unwrap();
            }
            assert_eq!(taken, body.len(), "in steps of {step}");
        }
    }

    #[test]
    fn anything_lenient_is_malformed() {
        for body in [
            "5;ext=1\r\nhello\r\n0\r\n\r\n",
            "5 \r\nhello\r\n0\r\n\r\n",
            " 5\r\nhello\r\n0\r\n\r\n",
            "0x5\r\nhello\r\n0\r\n\r\n",
            "+5\r\nhello\r\n0\r\n\r\n",
            "-1\r\nhello\r\n0\r\n\r\n",
            "5\nhello\r\n0\r\n\r\n",
            "5\r\nhelloX\r\n0\r\n\r\n",
            "5\r\nhello\n0\r\n\r\n",
            "\r\nhello",
            "00000000\r\n",
            "FFFFFFFFFFFFFFFFF\r\n",
            "0\r\nTrailer: a\r\n\r\n",
            "0\r\n\n",
        ] {
            let mut state = Chunked::START;
            assert_eq!(state.advance(body.as_bytes()), Err(Malformed), "{body:?}");
        }
    }
}
