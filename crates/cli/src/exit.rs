//! What the exit codes mean. In: how a command ended. Out: the number the shell sees.

use std::process::ExitCode;

/// How a command ended. Wrong usage is 2, and clap's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// It did what was asked.
    Done,
    /// It ran, and the answer is no.
    No,
    /// It did what could be done; some inputs had problems.
    SomeProblems,
    /// It could not do it.
    Failed,
    /// Stopped by Ctrl-C; run again to go on.
    Interrupted,
}

impl Exit {
    /// How a command ended that goes on after a problem.
    pub(crate) fn of<T>(problems: &[T]) -> Exit {
        match problems {
            [] => Exit::Done,
            _ => Exit::SomeProblems,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(match exit {
            Exit::Done => 0,
            Exit::No => 1,
            Exit::SomeProblems => 3,
            Exit::Failed => 4,
            Exit::Interrupted => 130,
        })
    }
}
