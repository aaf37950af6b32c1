//! Where in HTTP/2's frames (RFC 9113 §4.1) the next byte stands, and so what h2 has to keep of what is unfinished.
//!
//! h2 keeps a frame until it is whole, and the fields of a header block until its last frame. A field of a block can be
//! one byte on the wire.

use super::connection::HTTP2_PREFACE;

/// A length of three bytes, type, flags, stream.
const HEAD: usize = 9;
const HEADERS: u8 = 1;
const PUSH_PROMISE: u8 = 5;
const CONTINUATION: u8 = 9;
const END_HEADERS: u8 = 4;
/// h2 has a buffer of so much in any case.
const BUFFER: usize = 4 * 1024;
/// What a byte of a header block may become in memory, and what the largest that is accepted may.
const FIELD: usize = 128;
const MAX_FIELDS: usize = 256 * 1024;

/// See the module.
#[derive(Debug)]
pub(super) struct Frames {
    /// Bytes before the first frame.
    preface: usize,
    head: [u8; HEAD],
    head_read: usize,
    left: usize,
    /// Bytes of the frame so far.
    frame: usize,
    /// Bytes of whole frames of a header block that goes on.
    block: usize,
    in_block: bool,
}

impl Default for Frames {
    fn default() -> Self {
        Self {
            preface: HTTP2_PREFACE.len(),
            head: [0; HEAD],
            head_read: 0,
            left: 0,
            frame: 0,
            block: 0,
            in_block: false,
        }
    }
}

impl Frames {
    /// Goes on over `bytes`.
    pub fn advance(&mut self, bytes: &[u8]) {
        let preface = self.preface.min(bytes.len());
        self.preface -= preface;
        let mut bytes = bytes.get(preface..).unwrap_or_default();
        while !bytes.is_empty() {
            if self.head_read < HEAD {
                let count = bytes.len().min(HEAD - self.head_read);
                let (now, rest) = bytes.split_at(count);
                if let Some(room) = self.head.get_mut(self.head_read..self.head_read + count) {
                    room.copy_from_slice(now);
                }
                self.head_read += count;
                bytes = rest;
                if self.head_read == HEAD {
                    let [a, b, c, ..] = self.head;
                    self.left = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
                    self.frame = 0;
                }
            } else {
                let (now, rest) = bytes.split_at(bytes.len().min(self.left));
                self.left -= now.len();
                self.frame += now.len();
                bytes = rest;
            }
            if self.head_read == HEAD && self.left == 0 {
                self.end_of_frame();
            }
        }
    }

    fn end_of_frame(&mut self) {
        let [_, _, _, kind, flags, ..] = self.head;
        if matches!(kind, HEADERS | PUSH_PROMISE | CONTINUATION) {
            self.in_block = flags & END_HEADERS == 0;
            self.block = if self.in_block {
                self.block.saturating_add(self.frame)
            } else {
                0
            };
        }
        self.head_read = 0;
        self.frame = 0;
    }

    /// Bytes that h2 may hold for what is unfinished.
    pub fn unfinished(&self) -> usize {
        self.frame.saturating_sub(BUFFER) + self.block.saturating_mul(FIELD).min(MAX_FIELDS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, length: usize) -> Vec<u8> {
        let [_, a, b, c] = u32::try_from(length).unwrap().to_be_bytes();
        [&[a, b, c, kind, flags, 0, 0, 0, 1][..], &vec![0xbe; length]].concat()
    }

    #[test]
    fn what_is_unfinished_counts_however_it_arrives() {
        let whole = frame(0, 0, 16_000);
        let open = frame(HEADERS, 0, 100);
        let more = frame(CONTINUATION, 0, 3000);
        let end = frame(CONTINUATION, END_HEADERS, 10);
        let settings = frame(4, 0, 0);
        for (said, unfinished) in [
            (vec![HTTP2_PREFACE], 0),
            (vec![HTTP2_PREFACE, &settings, &settings], 0),
            (vec![HTTP2_PREFACE, &whole], 0),
            (vec![HTTP2_PREFACE, &whole[..10_009]], 10_000 - BUFFER),
            (vec![HTTP2_PREFACE, &settings, &open], 100 * FIELD),
            (vec![HTTP2_PREFACE, &open, &end[..9]], 100 * FIELD),
            (vec![HTTP2_PREFACE, &open, &more], MAX_FIELDS),
            (vec![HTTP2_PREFACE, &open, &more, &end], 0),
            (vec![HTTP2_PREFACE, &frame(HEADERS, END_HEADERS, 3000)], 0),
        ] {
            let said = said.concat();
            for step in [1, 7, 4096, said.len()] {
                let mut frames = Frames::default();
                said.chunks(step).for_each(|piece| frames.advance(piece));
                assert_eq!(frames.unfinished(), unfinished, "{} in {step}", said.len());
            }
        }
    }
}
