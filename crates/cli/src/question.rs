//! Questions to a human. In: a terminal, or lines for tests. Out: answers. Questions go to stderr,
//! so that stdout has data alone.

use std::io::{self, BufRead, BufReader, IsTerminal};

use anyhow::{Result, ensure};

use crate::printer::Printer;

/// Somebody who answers.
pub(crate) struct Questions {
    answers: Box<dyn BufRead>,
}

impl Questions {
    /// The human at the terminal.
    ///
    /// # Errors
    /// If stdin is no terminal: nobody would answer.
    pub(crate) fn of_terminal() -> Result<Questions> {
        ensure!(
            io::stdin().is_terminal(),
            "there is no terminal to ask questions at"
        );
        Ok(Questions::of(BufReader::new(io::stdin())))
    }

    pub(crate) fn of(answers: impl BufRead + 'static) -> Questions {
        Questions {
            answers: Box::new(answers),
        }
    }

    /// The answer in one line, or the usual one if it is empty.
    ///
    /// # Errors
    /// If the answers have ended.
    pub(crate) fn ask(&mut self, question: &str, usual: &str) -> Result<String> {
        Printer::question(&match usual {
            "" => format!("{question} "),
            usual => format!("{question} [{usual}] "),
        });
        let mut line = String::new();
        ensure!(
            self.answers.read_line(&mut line)? > 0,
            "the answers ended before the question {question:?}"
        );
        let answer = line.trim();
        Ok(if answer.is_empty() { usual } else { answer }.to_owned())
    }

    /// Asks until the answer can be used.
    ///
    /// # Errors
    /// If the answers have ended.
    pub(crate) fn ask_for<T>(
        &mut self,
        question: &str,
        usual: &str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Result<T> {
        loop {
            match parse(&self.ask(question, usual)?) {
                Ok(value) => return Ok(value),
                Err(why) => Printer::question(&format!("{why}\n")),
            }
        }
    }

    /// # Errors
    /// If the answers have ended.
    pub(crate) fn yes_or_no(&mut self, question: &str, usual: bool) -> Result<bool> {
        let usual = if usual { "y" } else { "n" };
        self.ask_for(
            &format!("{question} (y/n)"),
            usual,
            |answer| match &*answer.to_lowercase() {
                "y" | "yes" => Ok(true),
                "n" | "no" => Ok(false),
                _ => Err(format!("{answer:?} is neither y nor n")),
            },
        )
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    #[test]
    fn answers_are_asked_for_until_they_can_be_used() {
        let mut questions = Questions::of(Cursor::new("\nmaybe\nYES\nx\n7\n"));
        assert_eq!(questions.ask("Where?", "here").unwrap(), "here");
        assert!(questions.yes_or_no("Sure?", false).unwrap());
        let number = |text: &str| text.parse::<u8>().map_err(|e| e.to_string());
        assert_eq!(questions.ask_for("How many?", "", number).unwrap(), 7);
        let ended = questions.yes_or_no("More?", true).unwrap_err().to_string();
        assert!(ended.contains("More?"), "{ended}");
    }
}
