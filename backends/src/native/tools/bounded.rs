//! Output of any length, of which the beginning and the end are kept.

use std::collections::VecDeque;

use super::shown::whole_characters;

/// The first half and the last half of what may be kept, with the number of bytes between them.
#[derive(Debug)]
pub(super) struct Bounded {
    half: usize,
    head: Vec<u8>,
    tail: VecDeque<u8>,
    left_out: u64,
}

impl Bounded {
    /// Keeps up to `limit` bytes.
    pub(super) fn new(limit: usize) -> Self {
        Self { half: limit / 2, head: Vec::new(), tail: VecDeque::new(), left_out: 0 }
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        let (first, rest) = bytes.split_at(bytes.len().min(self.half - self.head.len()));
        self.head.extend_from_slice(first);
        // Of a piece that is longer than what is kept, only its end is looked at.
        let skipped = rest.len().saturating_sub(self.half);
        let rest = &rest[skipped..];
        let over = (self.tail.len() + rest.len()).saturating_sub(self.half);
        self.tail.drain(..over);
        self.tail.extend(rest);
        self.left_out += (skipped + over) as u64;
    }

    /// What was kept, as text. No character is cut in two, and what is no UTF-8 is U+FFFD.
    pub(super) fn into_text(mut self) -> String {
        let tail = self.tail.make_contiguous();
        if self.left_out == 0 {
            self.head.extend_from_slice(tail);
            return String::from_utf8_lossy(&self.head).into_owned();
        }
        let head = &self.head[..whole_characters(&self.head)];
        let begin = tail.iter().take(3).take_while(|byte| **byte & 0b1100_0000 == 0b1000_0000).count();
        let left_out = self.left_out + (self.head.len() - head.len() + begin) as u64;
        let (head, tail) = (String::from_utf8_lossy(head), String::from_utf8_lossy(&tail[begin..]));
        format!("{head}\n… {left_out} bytes left out …\n{tail}")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn kept(pieces: &[&[u8]], limit: usize) -> String {
        let mut bounded = Bounded::new(limit);
        pieces.iter().for_each(|piece| bounded.push(piece));
        bounded.into_text()
    }

    #[test]
    fn the_beginning_and_the_end_are_kept() {
        assert_eq!(kept(&[], 8), "");
        assert_eq!(kept(&[b"12", b"345678"], 8), "12345678");
        assert_eq!(kept(&[b"123456789"], 8), "1234\n… 1 bytes left out …\n6789");
        assert_eq!(kept(&["aaaü".as_bytes(), "üzzz".as_bytes()], 8), "aaa\n… 4 bytes left out …\nzzz");
    }

    proptest! {
        #[test]
        fn nothing_is_lost_uncounted(pieces in proptest::collection::vec("[a-z]{0,30}", 0..20), limit in 0..40_usize) {
            let all = pieces.concat();
            let pieces: Vec<&[u8]> = pieces.iter().map(String::as_bytes).collect();
            let text = kept(&pieces, limit);
            let half = limit / 2;
            if all.len() <= half * 2 {
                prop_assert_eq!(text, all);
            } else {
                let left_out = all.len() - half * 2;
                let expected = format!("{}\n… {left_out} bytes left out …\n{}", &all[..half], &all[all.len() - half..]);
                prop_assert_eq!(text, expected);
            }
        }
    }
}
