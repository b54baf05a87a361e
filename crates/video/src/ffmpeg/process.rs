//! A process with an end. In: arguments. Out: its pipes; no wait for them is longer than a limit,
//! and it does not outlive what holds it.

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::error::VideoError;

/// Bytes that are kept of what it says.
const MAX_SAID_BYTES: u64 = 4096;

/// Time between looks at whether it still works.
const LOOK: Duration = Duration::from_millis(50);

/// A running ffmpeg. Dropping it ends it.
pub(super) struct Process {
    shared: Arc<Shared>,
    said: Option<JoinHandle<String>>,
}

struct Shared {
    child: Mutex<Child>,
    /// Since when somebody waits for it.
    waiting: Mutex<Option<Instant>>,
    max_wait: Duration,
    was_slow: AtomicBool,
}

/// Its pipes; a wait for them that is longer than the limit ends the process.
pub(super) struct Timed<T> {
    pipe: T,
    shared: Arc<Shared>,
}

/// What is written to it, if it is fed, and what is read from it.
pub(super) type Pipes = (Option<Timed<ChildStdin>>, Timed<ChildStdout>);

impl Process {
    /// Starts ffmpeg with a pipe to it if `is_fed`, and one from it.
    pub(super) fn start(
        arguments: &[OsString],
        is_fed: bool,
        max_wait: Duration,
    ) -> Result<(Process, Pipes), VideoError> {
        let mut command = Command::new("ffmpeg");
        command
            .args(["-hide_banner", "-nostdin", "-v", "error"])
            .args(arguments)
            .stdin(match is_fed {
                true => Stdio::piped(),
                false => Stdio::null(),
            })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        // Ctrl-C at a terminal is for this program, which ends the other.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut child = command.spawn().map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => VideoError::NoFfmpeg,
            _ => VideoError::Io(error),
        })?;
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        let stderr = child.stderr.take();
        let shared = Arc::new(Shared {
            child: Mutex::new(child),
            waiting: Mutex::new(None),
            max_wait,
            was_slow: AtomicBool::new(false),
        });
        let process = Process {
            said: stderr.map(|pipe| std::thread::spawn(move || heard(pipe))),
            shared: Arc::clone(&shared),
        };
        let watched = Arc::downgrade(&shared);
        std::thread::Builder::new()
            .name("ffmpeg".to_owned())
            .spawn(move || watch(&watched))?;
        let stdout = stdout.ok_or_else(|| io::Error::other("ffmpeg has no pipe"))?;
        let stdout = Timed {
            pipe: stdout,
            shared: Arc::clone(&shared),
        };
        let stdin = stdin.map(|pipe| Timed { pipe, shared });
        Ok((process, (stdin, stdout)))
    }

    /// Waits for its end. Gives what it said if it went well.
    pub(super) fn finish(self) -> Result<String, VideoError> {
        self.finish_writing(None)
    }

    /// As [`Process::finish`], of one that is still writing a file: while that changes it works.
    pub(super) fn finish_writing(mut self, file: Option<&Path>) -> Result<String, VideoError> {
        let written = || {
            let metadata = std::fs::metadata(file?).ok()?;
            Some((metadata.len(), metadata.modified().ok()))
        };
        let (mut active, mut before) = (Instant::now(), written());
        let status = loop {
            let ended = locked(&self.shared.child).try_wait()?;
            if let Some(status) = ended {
                break status;
            }
            let now = written();
            if now != before {
                (active, before) = (Instant::now(), now);
            }
            if active.elapsed() > self.shared.max_wait {
                self.shared.was_slow.store(true, Ordering::Relaxed);
                self.shared.end();
            }
            std::thread::sleep(LOOK / 5);
        };
        let said = self.said.take().map(JoinHandle::join);
        let said = said.and_then(Result::ok).unwrap_or_default();
        if self.shared.was_slow.load(Ordering::Relaxed) {
            let seconds = self.shared.max_wait.as_secs();
            return Err(VideoError::Ffmpeg(format!(
                "it did nothing for {seconds} s and was ended"
            )));
        }
        match status.success() {
            true => Ok(said),
            false if said.is_empty() => Err(VideoError::Ffmpeg(format!("it ended with {status}"))),
            false => Err(VideoError::Ffmpeg(said)),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.shared.end();
        // Reaped, so that no dead process is left.
        let _ = locked(&self.shared.child).wait();
    }
}

impl Shared {
    fn end(&self) {
        // It may have ended by itself.
        let _ = locked(&self.child).kill();
    }

    fn while_waiting<T>(&self, work: impl FnOnce() -> T) -> T {
        *locked(&self.waiting) = Some(Instant::now());
        let done = work();
        *locked(&self.waiting) = None;
        done
    }
}

/// What a thread that panicked left is still a child, or a time.
fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn watch(shared: &Weak<Shared>) {
    while let Some(shared) = shared.upgrade() {
        let waiting = *locked(&shared.waiting);
        if waiting.is_some_and(|since| since.elapsed() > shared.max_wait) {
            shared.was_slow.store(true, Ordering::Relaxed);
            shared.end();
            return;
        }
        drop(shared);
        std::thread::sleep(LOOK);
    }
}

/// The first lines of what it says, without the addresses of its parts, as one line; the rest is
/// read and forgotten, so that it never waits for a reader.
fn heard(mut pipe: ChildStderr) -> String {
    let mut head = Vec::new();
    let _ = pipe.by_ref().take(MAX_SAID_BYTES).read_to_end(&mut head);
    let _ = io::copy(&mut pipe, &mut io::sink());
    let text = String::from_utf8_lossy(&head);
    let lines = text.lines().map(|line| match line.split_once("] ") {
        Some((part, rest)) if part.starts_with('[') => rest.trim(),
        _ => line.trim(),
    });
    let lines: Vec<&str> = lines.filter(|line| !line.is_empty()).collect();
    lines.join("; ")
}

impl Read for Timed<ChildStdout> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.shared.while_waiting(|| self.pipe.read(buffer))
    }
}

impl Write for Timed<ChildStdin> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.shared.while_waiting(|| self.pipe.write(buffer))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.shared.while_waiting(|| self.pipe.flush())
    }
}
