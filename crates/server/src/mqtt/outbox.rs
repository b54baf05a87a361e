//! Messages on their way to the broker. In: messages, and what became of those handed over. Out:
//! the next to hand over. Keeps each of QoS 1 until the broker has confirmed it, however often the
//! connection ends; the client library forgets them when a session ends.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::body::Bytes;
use tokio::sync::Notify;

use super::counts::Counts;

/// Messages that wait while the broker is away, and their bytes.
const MAX_MESSAGES: usize = 4096;
const MAX_BYTES: usize = 16 << 20;
/// Messages that are handed over and not confirmed. Below the 100 of the client library.
const MAX_UNDER_WAY: usize = 64;

/// One message.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Message {
    pub(super) topic: String,
    pub(super) payload: Bytes,
    /// Whether the broker keeps it for those who come later.
    pub(super) retain: bool,
    /// Whether the broker confirms it (QoS 1).
    pub(super) confirmed: bool,
    /// People whom it tells of: it is not sent any more once they are erased.
    pub(super) about: Vec<String>,
}

/// Messages on their way.
#[derive(Debug)]
pub(super) struct Outbox {
    state: Mutex<State>,
    added: Notify,
    counts: Arc<Counts>,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<(u64, Message)>,
    /// Handed over, in that order; the library has given them no number yet.
    handed: VecDeque<(u64, Message)>,
    /// Sent with a number, and not confirmed.
    sent: BTreeMap<u16, (u64, Message)>,
    /// Of those under way: whom they tell of was erased, so they are not sent once more.
    forgotten: BTreeSet<u64>,
    next: u64,
    bytes: usize,
    /// Whether the log has it that messages are lost.
    said_full: bool,
}

impl Outbox {
    pub(super) fn new(counts: Arc<Counts>) -> Outbox {
        Outbox {
            state: Mutex::default(),
            added: Notify::new(),
            counts,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a message at the end. A retained one takes the place of an older one of its topic that
    /// still waits; beyond the limits the oldest is lost, which is counted and logged.
    pub(super) fn push(&self, message: Message) {
        let mut state = self.state();
        if message.retain {
            state.take_waiting(|old| old.retain && old.topic == message.topic);
        }
        state.bytes += message.size();
        let number = state.next;
        state.next += 1;
        state.waiting.push_back((number, message));
        while state.waiting.len() > MAX_MESSAGES || state.bytes > MAX_BYTES {
            let Some((_, lost)) = state.waiting.pop_front() else {
                break;
            };
            state.bytes -= lost.size();
            self.counts.lost_message();
            if !state.said_full {
                state.said_full = true;
                tracing::warn!(
                    "mqtt: more than {MAX_MESSAGES} messages wait for the broker; the oldest are \
                     lost from now on"
                );
            }
        }
        self.counts.waiting(state.len());
        drop(state);
        self.added.notify_one();
    }

    /// Resolves once something was pushed since the last call.
    pub(super) async fn added(&self) {
        self.added.notified().await;
    }

    /// The next message to hand over, if there are not too many under way.
    pub(super) fn hand_over(&self) -> Option<Message> {
        let mut state = self.state();
        if state.handed.len() + state.sent.len() >= MAX_UNDER_WAY {
            return None;
        }
        let next = state.waiting.pop_front()?;
        state.handed.push_back(next.clone());
        Some(next.1)
    }

    /// The oldest that was handed over is on its way, under a number unless nobody confirms it.
    pub(super) fn sent(&self, number: u16) {
        let mut state = self.state();
        let Some(handed) = state.handed.pop_front() else {
            return;
        };
        match number {
            0 => {
                state.bytes -= handed.1.size();
                state.forgotten.remove(&handed.0);
            }
            _ => drop(state.sent.insert(number, handed)),
        }
        self.counts.waiting(state.len());
        if number == 0 {
            self.counts.published_message();
        }
    }

    /// The broker has it.
    pub(super) fn confirmed(&self, number: u16) {
        let mut state = self.state();
        if let Some((place, message)) = state.sent.remove(&number) {
            state.bytes -= message.size();
            state.forgotten.remove(&place);
            state.said_full &= !state.waiting.is_empty();
            self.counts.waiting(state.len());
            self.counts.published_message();
        }
    }

    /// The connection ended: whatever is not confirmed waits again, in the order in which it came.
    pub(super) fn unsent(&self) {
        let mut state = self.state();
        let state = &mut *state;
        let mut again: Vec<_> = std::mem::take(&mut state.sent).into_values().collect();
        again.extend(state.handed.drain(..));
        again.sort_by_key(|(number, _)| *number);
        let forgotten = std::mem::take(&mut state.forgotten);
        for (number, message) in again.into_iter().rev() {
            match forgotten.contains(&number) {
                true => state.bytes -= message.size(),
                false => state.waiting.push_front((number, message)),
            }
        }
    }

    /// Takes out what waits and tells of a person; what is under way is not sent again.
    pub(super) fn forget(&self, name: &str) {
        let mut state = self.state();
        let state = &mut *state;
        let is_about = |message: &Message| message.about.iter().any(|about| about == name);
        state.take_waiting(is_about);
        let under_way = state.handed.iter().chain(state.sent.values());
        let about = under_way.filter(|(_, message)| is_about(message));
        state.forgotten.extend(about.map(|(number, _)| *number));
        self.counts.waiting(state.len());
    }

    pub(super) fn is_empty(&self) -> bool {
        self.state().len() == 0
    }
}

impl State {
    fn len(&self) -> usize {
        self.waiting.len() + self.handed.len() + self.sent.len()
    }

    fn take_waiting(&mut self, is_taken: impl Fn(&Message) -> bool) {
        let bytes = &mut self.bytes;
        self.waiting.retain(|(_, message)| {
            let taken = is_taken(message);
            *bytes -= if taken { message.size() } else { 0 };
            !taken
        });
    }
}

impl Message {
    fn size(&self) -> usize {
        self.topic.len() + self.payload.len() + 128
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(topic: &str, retain: bool, confirmed: bool, about: &str) -> Message {
        Message {
            topic: topic.into(),
            payload: Bytes::from_static(b"x"),
            retain,
            confirmed,
            about: vec![about.into()],
        }
    }

    fn outbox() -> Outbox {
        Outbox::new(Arc::default())
    }

    fn topics(outbox: &Outbox) -> Vec<String> {
        std::iter::from_fn(|| outbox.hand_over().map(|m| m.topic)).collect()
    }

    #[test]
    fn what_is_not_confirmed_is_sent_again_in_its_order() {
        let outbox = outbox();
        for topic in ["a", "b", "c", "d"] {
            outbox.push(message(topic, false, true, ""));
        }
        outbox.push(message("e", false, false, ""));
        assert_eq!(topics(&outbox), ["a", "b", "c", "d", "e"]);
        for number in [1, 2, 3] {
            outbox.sent(number);
        }
        outbox.confirmed(2);
        outbox.confirmed(9);
        outbox.unsent();
        assert_eq!(topics(&outbox), ["a", "c", "d", "e"]);
        for number in [4, 5, 6, 0] {
            outbox.sent(number);
        }
        (4..=6).for_each(|number| outbox.confirmed(number));
        assert!(outbox.is_empty());
        assert_eq!(outbox.state().bytes, 0);
    }

    #[test]
    fn it_is_bounded_and_keeps_the_newest_state_and_nothing_of_who_was_erased() {
        let outbox = outbox();
        outbox.push(message("state", true, true, "Ida"));
        outbox.push(message("other", false, true, "Max"));
        outbox.push(message("state", true, true, "Ida"));
        assert_eq!(outbox.state().waiting.len(), 2);
        outbox.forget("Ida");
        assert_eq!(topics(&outbox), ["other"]);
        outbox.forget("Max");
        outbox.unsent();
        assert!(
            outbox.is_empty() && outbox.state().bytes == 0,
            "under way, and not again"
        );
        for n in 0..MAX_MESSAGES + 10 {
            outbox.push(message(&n.to_string(), false, true, ""));
        }
        assert_eq!(outbox.state().waiting.len(), MAX_MESSAGES);
        assert_eq!(outbox.hand_over().unwrap().topic, "10");
        let mut large = message("large", false, true, "");
        large.payload = vec![0; MAX_BYTES / 2].into();
        (0..3).for_each(|_| outbox.push(large.clone()));
        assert!(outbox.state().bytes <= MAX_BYTES + MAX_UNDER_WAY * 200);
    }

    #[test]
    fn no_more_is_under_way_than_the_client_library_keeps() {
        let outbox = outbox();
        (0..200).for_each(|n| outbox.push(message(&n.to_string(), false, true, "")));
        assert_eq!(topics(&outbox).len(), MAX_UNDER_WAY);
        (1..=10).for_each(|n| outbox.sent(n));
        (1..=10).for_each(|n| outbox.confirmed(n));
        assert_eq!(topics(&outbox).len(), 10);
    }
}
