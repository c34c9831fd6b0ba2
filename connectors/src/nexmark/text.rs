//! The strings of the generator: pools of random characters that texts are cut from, and the web addresses of channels.

use crate::draw::Draw;
use std::sync::{Arc, Mutex};

pub(super) const POOL: usize = 1 << 20;
/// Channels with a name of their own, behind the four hot ones.
pub(super) const CHANNEL_COUNT: u64 = 10_000;
const HOT_CHANNELS: [&str; 4] = ["Google", "Facebook", "Baidu", "Apple"];

/// Strings that depend on the seed alone.
#[derive(Debug)]
pub(super) struct Texts {
    /// Letters.
    pub(super) letters: Vec<u8>,
    /// Letters and blanks.
    pub(super) words: Vec<u8>,
    /// Channel and address of each channel, the hot ones first.
    pub(super) channels: Vec<(String, String)>,
}

impl Texts {
    /// The strings of a seed; made once and shared by the readers of a process.
    pub(super) fn of(seed: u64) -> Arc<Texts> {
        static MADE: Mutex<Vec<(u64, Arc<Texts>)>> = Mutex::new(Vec::new());
        let mut made = MADE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some((_, texts)) = made.iter().find(|(s, _)| *s == seed) {
            return Arc::clone(texts);
        }
        let texts = Arc::new(Texts::make(Draw::new(seed)));
        // A process rarely needs more than one seed; two bound the memory.
        made.truncate(1);
        made.insert(0, (seed, Arc::clone(&texts)));
        texts
    }

    fn make(draw: Draw) -> Self {
        let pool = |field: u64, special: Option<u8>| -> Vec<u8> {
            (0..POOL as u64)
                .map(|i| match special {
                    Some(byte) if draw.below(i, field + 1_000, 13) == 0 => byte,
                    _ => b'a' + draw.below(i, field, 26) as u8,
                })
                .collect()
        };
        let (letters, words, web) = (pool(1_001, None), pool(1_002, Some(b' ')), pool(1_003, Some(b'_')));
        let address = |n: u64| {
            let part = |k: u64| {
                let length = 3 + draw.below(n, 900 + 2 * k, 2) as usize;
                let start = draw.below(n, 901 + 2 * k, POOL as u64 - 8) as usize;
                String::from_utf8_lossy(&web[start..start + length]).into_owned()
            };
            format!("https://www.nexmark.com/{}/{}/{}/item.htm?query=1", part(0), part(1), part(2))
        };
        let first = 1u64 << 40;
        let hot = HOT_CHANNELS.iter().zip(first..).map(|(name, n)| ((*name).to_string(), address(n)));
        let others = (0..CHANNEL_COUNT).map(|channel| {
            let n = first + 100 + channel;
            let mut url = address(n);
            if draw.below(n, 910, 10) > 0 {
                let id = i64::from((channel as u32).reverse_bits() as i32).abs();
                url.push_str(&format!("&channel_id={id}"));
            }
            (format!("channel-{channel}"), url)
        });
        let channels = hot.chain(others).collect();
        Self { letters, words, channels }
    }
}

pub(super) const STATES: [&str; 6] = ["AZ", "CA", "ID", "OR", "WA", "WY"];
pub(super) const CITIES: [&str; 10] =
    ["Phoenix", "Los Angeles", "San Francisco", "Boise", "Portland", "Bend", "Redmond", "Seattle", "Kent", "Cheyenne"];
pub(super) const FIRST_NAMES: [&str; 11] =
    ["Peter", "Paul", "Luke", "John", "Saul", "Vicky", "Kate", "Julie", "Sarah", "Deiter", "Walter"];
pub(super) const LAST_NAMES: [&str; 9] =
    ["Shultz", "Abrams", "Spencer", "White", "Bartels", "Walton", "Smith", "Jones", "Noris"];
