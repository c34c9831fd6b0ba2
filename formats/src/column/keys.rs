//! Finds the field that a key of a record means, guessing that keys come as they came in the records before.

/// Keys longer than this are looked up each time.
const GUESS_BYTES_MAX: usize = 256;
/// Number of spellings that are remembered.
const GUESSES_MAX: usize = 256;

/// Names of the fields of a row, and the spellings of keys seen so far in the order in which they came.
#[derive(Debug)]
pub(crate) struct Keys {
    names: Vec<Box<[u8]>>,
    guesses: Vec<Guess>,
}

/// What a record before held between two values: quote, key, quote, colon, and white space around it.
#[derive(Debug)]
struct Guess {
    text: Box<[u8]>,
    /// First eight bytes, or as many as there are, and the mask that leaves them.
    head: u64,
    head_mask: u64,
    /// Last eight bytes, when there are as many.
    tail: u64,
    target: Option<usize>,
}

impl Guess {
    fn new(text: &[u8], target: Option<usize>) -> Self {
        let mut head = [0; 8];
        let head_len = text.len().min(8);
        head[..head_len].copy_from_slice(&text[..head_len]);
        Self {
            head: u64::from_le_bytes(head),
            head_mask: u64::MAX >> (64 - 8 * head_len.max(1)),
            tail: text.last_chunk().map_or(0, |t| u64::from_le_bytes(*t)),
            text: text.into(),
            target,
        }
    }

    #[inline]
    fn matches(&self, rest: &[u8]) -> bool {
        let len = self.text.len();
        let Some(first) = rest.first_chunk::<8>() else { return rest.starts_with(&self.text) };
        if u64::from_le_bytes(*first) & self.head_mask != self.head {
            return false;
        }
        if len <= 8 {
            return true;
        }
        let Some(start) = rest.get(..len) else { return false };
        let Some(last) = start.last_chunk::<8>() else { return false };
        u64::from_le_bytes(*last) == self.tail && (len <= 16 || start[8..len - 8] == self.text[8..len - 8])
    }
}

impl Keys {
    pub(crate) fn new<'a>(names: impl Iterator<Item = &'a str>) -> Self {
        Self { names: names.map(|n| n.as_bytes().into()).collect(), guesses: Vec::new() }
    }

    /// The field named `name`. Where two fields have one name, the first.
    pub(crate) fn find(&self, name: &[u8]) -> Option<usize> {
        self.names.iter().position(|n| **n == *name)
    }

    /// What `rest` begins with, if it came before: the field (none when no field has this name) and the bytes up to its
    /// value. `place` is where to look first; it is moved on to the guess that follows.
    #[inline]
    pub(crate) fn guess(&self, rest: &[u8], place: &mut usize) -> Option<(Option<usize>, usize)> {
        if let Some(guess) = self.guesses.get(*place)
            && guess.matches(rest)
        {
            *place += 1;
            return Some((guess.target, guess.text.len()));
        }
        self.guess_elsewhere(rest, place)
    }

    fn guess_elsewhere(&self, rest: &[u8], place: &mut usize) -> Option<(Option<usize>, usize)> {
        let count = self.guesses.len();
        for step in 0..count.min(32) {
            let i = (*place + step) % count;
            if self.guesses[i].matches(rest) {
                *place = i + 1;
                return Some((self.guesses[i].target, self.guesses[i].text.len()));
            }
        }
        None
    }

    /// Remembers that `text` stands before the value of `target`.
    #[cold]
    pub(crate) fn learn(&mut self, text: &[u8], target: Option<usize>, place: &mut usize) {
        if text.len() > GUESS_BYTES_MAX || text.is_empty() {
            return;
        }
        if self.guesses.len() >= GUESSES_MAX {
            self.guesses.clear();
        }
        let at = (*place).min(self.guesses.len());
        self.guesses.insert(at, Guess::new(text, target));
        *place = at + 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guesses_match_whole_spellings_only() {
        for key in ["", "a", "abcde", "abcdef", "a-key-that-is-longer-than-two-words"] {
            let text = format!("\"{key}\":");
            let guess = Guess::new(text.as_bytes(), None);
            for rest in [format!("{text}1"), format!("{text}          1"), text.clone()] {
                assert!(guess.matches(rest.as_bytes()), "{text} in {rest}");
            }
            for rest in [format!("\"{key}x\":        1"), format!("\"{key}\""), String::new(), "\"".repeat(60)] {
                assert!(!guess.matches(rest.as_bytes()), "{text} in {rest}");
            }
            if key.len() > 20 {
                assert!(!guess.matches(text.replace("longer", "l0nger").as_bytes()));
            }
        }
    }

    #[test]
    fn the_order_of_the_last_record_comes_first() {
        let mut keys = Keys::new(["a", "b"].into_iter());
        let mut place = 0;
        keys.learn(b"\"b\":", keys.find(b"b"), &mut place);
        keys.learn(b"\"x\":", keys.find(b"x"), &mut place);
        let mut place = 0;
        assert_eq!(keys.guess(b"\"b\":1,", &mut place), Some((Some(1), 4)));
        assert_eq!(keys.guess(b"\"x\":1,", &mut place), Some((None, 4)));
        assert_eq!(keys.guess(b"\"b\":1,", &mut place), Some((Some(1), 4)));
        assert_eq!(keys.guess(b"\"a\":1,", &mut place), None);
    }
}
