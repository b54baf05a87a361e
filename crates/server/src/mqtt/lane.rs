//! What is to be done for one camera, in its order. In: events that changed or ended. Out: one
//! piece of work after another. Bounded: of the looks the newest stay, of the ends all.

use std::collections::VecDeque;
use std::time::Instant;

/// Looks that wait.
const MAX_LOOKS: usize = 8;
/// Ended events that wait and are looked at once more.
const MAX_LAST_LOOKS: usize = 32;

/// What to do about an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Task {
    /// Look at a picture of it.
    Look,
    /// Look at its best picture, and say what came of it.
    End,
    /// Say what came of it.
    EndUnseen,
}

/// A piece of work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Job {
    pub(super) event: String,
    pub(super) task: Task,
    /// When the message came that asked for it.
    pub(super) asked: Instant,
}

/// The work of one camera.
#[derive(Debug, Default)]
pub(super) struct Lane {
    jobs: VecDeque<Job>,
}

impl Lane {
    /// Asks for a look, unless one at this event waits already. How many looks gave way.
    pub(super) fn look(&mut self, event: &str, now: Instant) -> usize {
        let same = |job: &Job| job.task == Task::Look && job.event == event;
        if self.jobs.iter().any(same) {
            return 0;
        }
        self.push(event, Task::Look, now);
        self.drop_oldest(Task::Look, MAX_LOOKS, None)
    }

    /// Asks for the end, after what came before. How many looks gave way.
    pub(super) fn end(&mut self, event: &str, with_look: bool, now: Instant) -> usize {
        let task = if with_look {
            Task::End
        } else {
            Task::EndUnseen
        };
        self.push(event, task, now);
        self.drop_oldest(Task::End, MAX_LAST_LOOKS, Some(Task::EndUnseen))
    }

    fn push(&mut self, event: &str, task: Task, asked: Instant) {
        self.jobs.push_back(Job {
            event: event.to_owned(),
            task,
            asked,
        });
    }

    /// Beyond `limit` the oldest of a kind goes, or becomes another.
    fn drop_oldest(&mut self, of: Task, limit: usize, becomes: Option<Task>) -> usize {
        let mut places = (0..self.jobs.len()).filter(|i| self.jobs[*i].task == of);
        let (first, n) = (places.next(), places.count() + 1);
        match first {
            Some(first) if n > limit => {
                match becomes {
                    Some(task) => self.jobs[first].task = task,
                    None => drop(self.jobs.remove(first)),
                }
                1
            }
            _ => 0,
        }
    }

    pub(super) fn next(&mut self) -> Option<Job> {
        self.jobs.pop_front()
    }

    /// Takes out all work about an event.
    pub(super) fn remove(&mut self, event: &str) {
        self.jobs.retain(|job| job.event != event);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_looks_stay_and_every_end_is_said_in_order() {
        let (mut lane, now) = (Lane::default(), Instant::now());
        let n_dropped: usize = (0..12).map(|n| lane.look(&format!("look {n}"), now)).sum();
        assert_eq!((n_dropped, lane.look("look 11", now)), (4, 0));
        assert_eq!(lane.next().unwrap().event, "look 4");
        let n_dropped: usize = (0..40)
            .map(|n| lane.end(&format!("end {n}"), true, now))
            .sum();
        assert_eq!(n_dropped, 8);
        let jobs: Vec<Job> = std::iter::from_fn(|| lane.next()).collect();
        let ends = jobs.iter().filter(|job| job.task != Task::Look);
        let ends: Vec<&str> = ends.map(|job| &*job.event).collect();
        let expected: Vec<String> = (0..40).map(|n| format!("end {n}")).collect();
        assert_eq!(ends, expected);
        let unseen = jobs.iter().filter(|job| job.task == Task::EndUnseen);
        assert_eq!(unseen.count(), 8);
    }
}
