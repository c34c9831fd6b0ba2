//! A proxy before a REST catalog that lets someone else commit first, once.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Forwards every call; before the first commit to a table it calls `first`.
pub(crate) struct CommitRace<F> {
    listener: TcpListener,
    server: String,
    first: F,
}

impl<F: Fn() + Sync> CommitRace<F> {
    /// A proxy of the server at `uri` on a free port.
    pub(crate) fn start(uri: &str, first: F) -> Self {
        let server = uri.trim_start_matches("http://").to_string();
        Self { listener: TcpListener::bind("127.0.0.1:0").unwrap(), server, first }
    }

    /// Runs `work` with the proxy's address; says how often the server answered 409 to a commit.
    pub(crate) fn during(self, work: impl FnOnce(&str)) -> usize {
        let address = self.listener.local_addr().unwrap();
        let (ended, raced, conflicts) = (AtomicBool::new(false), AtomicBool::new(false), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for client in self.listener.incoming() {
                    if ended.load(Ordering::SeqCst) {
                        return;
                    }
                    let (client, this, raced, conflicts) = (client.unwrap(), &self, &raced, &conflicts);
                    scope.spawn(move || {
                        conflicts.fetch_add(this.forward(client, raced), Ordering::SeqCst);
                    });
                }
            });
            // The proxy must end also when the work panics: else the scope waits for ever.
            let worked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| work(&format!("http://{address}"))));
            ended.store(true, Ordering::SeqCst);
            drop(TcpStream::connect(address));
            if let Err(panic) = worked {
                std::panic::resume_unwind(panic);
            }
        });
        conflicts.load(Ordering::SeqCst)
    }

    /// One call on one connection; 1 when a commit was refused as late.
    fn forward(&self, mut client: TcpStream, raced: &AtomicBool) -> usize {
        let Some((head, body)) = request(&mut client) else { return 0 };
        let line = head.lines().next().unwrap_or_default();
        let is_commit = line.starts_with("POST ") && line.contains("/tables/");
        if is_commit && !raced.swap(true, Ordering::SeqCst) {
            (self.first)();
        }
        let mut server = TcpStream::connect(&self.server).unwrap();
        let rest = head.split_once("\r\n").map_or("", |(_, rest)| rest);
        write!(server, "{line}\r\nConnection: close\r\n{rest}").unwrap();
        server.write_all(&body).unwrap();
        let mut answer = Vec::new();
        server.read_to_end(&mut answer).unwrap();
        client.write_all(&answer).unwrap();
        usize::from(is_commit && answer.starts_with(b"HTTP/1.1 409"))
    }
}

/// Head (with its empty line) and body of a call.
fn request(client: &mut TcpStream) -> Option<(String, Vec<u8>)> {
    let (mut bytes, mut chunk) = (Vec::new(), [0; 8192]);
    loop {
        let n = client.read(&mut chunk).ok().filter(|n| *n > 0)?;
        bytes.extend_from_slice(&chunk[..n]);
        let Some(end) = bytes.windows(4).position(|w| w == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&bytes[..end + 4]).into_owned();
        let length =
            head.lines().find_map(|l| l.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse().ok());
        if bytes.len() >= end + 4 + length.unwrap_or(0) {
            return Some((head, bytes[end + 4..].to_vec()));
        }
    }
}
