//! Progress, on standard error: a bar on a terminal, a line now and then elsewhere.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{HumanDuration, ProgressBar, ProgressStyle};

use crate::state::State;

/// How often a line is written where no bar can be drawn.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// Tells how far it is.
pub(crate) struct Progress {
    shown: Shown,
    begun: Instant,
    /// What was settled before this run began.
    rows_before: u64,
    bytes_before: u64,
    bytes_total: u64,
}

enum Shown {
    Bar(ProgressBar),
    Lines(Instant),
    Nothing,
}

impl Progress {
    /// Begins, with `state` settled of `bytes_total`.
    pub(crate) fn begin(quiet: bool, state: &State, bytes_total: u64) -> Self {
        let shown = if quiet {
            Shown::Nothing
        } else if std::io::stderr().is_terminal() {
            let bar = ProgressBar::new(bytes_total);
            let style = ProgressStyle::with_template("{bar:30} {percent:>3}%  {msg}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            Shown::Bar(bar)
        } else {
            Shown::Lines(Instant::now())
        };
        let (rows_before, bytes_before) = (state.position.events, state.position.bytes);
        Self { shown, begun: Instant::now(), rows_before, bytes_before, bytes_total }
    }

    /// Tells how it stands.
    pub(crate) fn tell(&mut self, state: &State) {
        match &mut self.shown {
            Shown::Nothing => return,
            Shown::Lines(told) if told.elapsed() < LINE_EVERY => return,
            Shown::Lines(told) => *told = Instant::now(),
            Shown::Bar(_) => {}
        }
        let said = self.said(state);
        match &self.shown {
            Shown::Bar(bar) => {
                bar.set_position(state.position.bytes);
                bar.set_message(said);
            }
            Shown::Lines(_) => eprintln!("purser: {}%  {said}", self.percent(state)),
            Shown::Nothing => {}
        }
    }

    /// Says something beside the progress.
    pub(crate) fn say(&self, text: &str) {
        match &self.shown {
            Shown::Bar(bar) => bar.suspend(|| eprintln!("purser: {text}")),
            Shown::Lines(_) => eprintln!("purser: {text}"),
            Shown::Nothing => {}
        }
    }

    /// Takes the bar away.
    pub(crate) fn end(&self) {
        if let Shown::Bar(bar) = &self.shown {
            bar.finish_and_clear();
        }
    }

    fn percent(&self, state: &State) -> u64 {
        (state.position.bytes * 100).checked_div(self.bytes_total).unwrap_or_default().min(100)
    }

    fn said(&self, state: &State) -> String {
        let millis = self.begun.elapsed().as_millis().max(1);
        let rows = state.position.events;
        let rate = u128::from(rows.saturating_sub(self.rows_before)) * 1_000 / millis;
        let done = u128::from(state.position.bytes.saturating_sub(self.bytes_before));
        let ahead = u128::from(self.bytes_total.saturating_sub(state.position.bytes));
        let left = (ahead * millis).checked_div(done).and_then(|left| u64::try_from(left).ok());
        let failed = state.sums.total().failed.rows;
        let failed = if failed == 0 { String::new() } else { format!(", {} failed", grouped(failed.into())) };
        let left =
            left.map_or_else(String::new, |left| format!(", {} left", HumanDuration(Duration::from_millis(left))));
        format!("{} rows, {} rows/s{left}{failed}", grouped(rows.into()), grouped(rate))
    }
}

/// A number as people read it.
pub(crate) fn grouped(number: u128) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index != 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_by_thousands() {
        for (number, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(grouped(number), text);
        }
    }
}
