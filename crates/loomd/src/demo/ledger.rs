//! What a turn cost, counted from what the server said while it ran.

use std::io::{self, Write};

use loomd_protocol::{CommandExecutionStatus, ItemKind, TokenUsageBreakdown, Turn};

use crate::client::Heard;
use crate::console::{Console, Paint};
use crate::transcript::span;

/// The figures of one turn.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Costs {
    /// Ids of the items that completed, in order.
    pub(super) items: Vec<String>,
    pub(super) commands: u64,
    pub(super) commands_failed: u64,
    /// Time that commands took, milliseconds.
    pub(super) command_ms: i64,
    pub(super) files_changed: u64,
    /// Answers of the model.
    pub(super) requests: u64,
    pub(super) tokens_in: i64,
    pub(super) tokens_out: i64,
    /// Time from start to end, milliseconds.
    pub(super) turn_ms: i64,
    /// What commands printed, one after another.
    pub(super) output: String,
}

/// Counts one turn.
#[derive(Debug)]
pub(super) struct Counter {
    turn_id: String,
    costs: Costs,
    /// The thread's tokens before the turn, and so far.
    before: TokenUsageBreakdown,
    now: TokenUsageBreakdown,
}

impl Counter {
    /// `before` is what the thread had used already.
    pub(super) fn new(turn_id: String, before: TokenUsageBreakdown) -> Self {
        Self {
            turn_id,
            costs: Costs::default(),
            now: before.clone(),
            before,
        }
    }

    pub(super) fn count(&mut self, heard: &Heard) {
        let costs = &mut self.costs;
        match heard {
            Heard::ItemCompleted(completed) if completed.turn_id == self.turn_id => {
                costs.items.push(completed.item.id.clone());
                if let ItemKind::CommandExecution(command) = &completed.item.kind {
                    costs.commands += 1;
                    costs.command_ms += command.duration_ms.unwrap_or_default();
                    if command.status != CommandExecutionStatus::Completed {
                        costs.commands_failed += 1;
                    }
                    costs.output += command.aggregated_output.as_deref().unwrap_or_default();
                } else if let ItemKind::FileChange(change) = &completed.item.kind {
                    costs.files_changed += u64::try_from(change.changes.len()).unwrap_or(u64::MAX);
                }
            }
            // A resumed thread tells its usage once more, with the turn that it came from.
            Heard::TokenUsage(updated) if updated.turn_id == self.turn_id => {
                costs.requests += 1;
                self.now = updated.token_usage.total.clone();
            }
            Heard::TurnStarted(_)
            | Heard::TurnCompleted(_)
            | Heard::ItemStarted(_)
            | Heard::ItemCompleted(_)
            | Heard::TokenUsage(_)
            | Heard::MessageDelta(_)
            | Heard::OutputDelta(_)
            | Heard::PlanUpdated(_)
            | Heard::DiffUpdated(_)
            | Heard::Error(_)
            | Heard::Warning(_)
            | Heard::ConfigWarning(_)
            | Heard::DeprecationNotice(_)
            | Heard::Rerouted(_)
            | Heard::Asked { .. }
            | Heard::Other => {}
        }
    }

    /// The turn has ended; gives its costs and the tokens of the thread.
    pub(super) fn ended(self, turn: &Turn) -> (Costs, TokenUsageBreakdown) {
        let mut costs = self.costs;
        costs.turn_ms = turn.duration_ms.unwrap_or_default();
        costs.tokens_in = self.now.input_tokens - self.before.input_tokens;
        costs.tokens_out = self.now.output_tokens - self.before.output_tokens;
        (costs, self.now)
    }
}

/// Writes the figures of the turns side by side, with their sums.
pub(super) fn table(console: &mut Console<impl Write>, turns: &[Costs]) -> io::Result<()> {
    /// A row's name, the figure, and how it is shown.
    type Row = (&'static str, fn(&Costs) -> i64, fn(i64) -> String);
    let number = |n: i64| n.to_string();
    let rows: [Row; 9] = [
        ("items completed", |c| count(c.items.len()), number),
        ("commands run", |c| signed(c.commands), number),
        ("  of which failed", |c| signed(c.commands_failed), number),
        ("files patched", |c| signed(c.files_changed), number),
        ("model answers", |c| signed(c.requests), number),
        ("tokens in", |c| c.tokens_in, number),
        ("tokens out", |c| c.tokens_out, number),
        ("time in commands", |c| c.command_ms, span),
        ("time of the turn", |c| c.turn_ms, span),
    ];
    let mut header = format!("{:<20}", "");
    for index in 1..=turns.len() {
        header += &format!("{:>12}", format!("turn {index}"));
    }
    header += &format!("{:>12}", "together");
    console.label("cost", Paint::Cyan)?;
    console.kept(&header, Some(Paint::Dim))?;
    for (name, figure, shown) in rows {
        let mut row = format!("{name:<20}");
        for turn in turns {
            row += &format!("{:>12}", shown(figure(turn)));
        }
        let sum = turns.iter().map(figure).sum();
        row += &format!("{:>12}", shown(sum));
        console.kept(&row, None)?;
    }
    Ok(())
}

fn signed(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

fn count(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;
    use crate::console::Style;

    #[test]
    fn the_table_adds_up_and_fits_80_columns() {
        let turn = Costs {
            items: vec!["a".into(), "b".into()],
            commands: 2,
            tokens_in: 1200,
            tokens_out: 30,
            turn_ms: 1540,
            command_ms: 12,
            ..Costs::default()
        };
        let mut out = Vec::new();
        let mut console = Console::new(&mut out, Style::PLAIN);
        table(&mut console, &[turn.clone(), turn]).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.lines().all(|line| line.chars().count() <= 80));
        let text: String = text.lines().map(|line| format!("|{line}\n")).collect();
        expect![[r#"
            | cost                             turn 1      turn 2    together
            |        items completed                2           2           4
            |        commands run                   2           2           4
            |          of which failed              0           0           0
            |        files patched                  0           0           0
            |        model answers                  0           0           0
            |        tokens in                   1200        1200        2400
            |        tokens out                    30          30          60
            |        time in commands           12 ms       12 ms       24 ms
            |        time of the turn           1.5 s       1.5 s       3.0 s
        "#]]
        .assert_eq(&text);
    }
}
