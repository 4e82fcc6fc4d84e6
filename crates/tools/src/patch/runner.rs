//! Runs one patch: check, item, write, diff of the turn, text for the model.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use loomd_base::Clock;
use loomd_events::ToolEvent;
use loomd_protocol::{
    FileChangeItem, FileUpdateChange, ItemKind, PatchApplyStatus, PatchChangeKind, ThreadItem,
};
use tokio::sync::Mutex;

use super::plan::{Change, ChangeKind, Plan, PlanError, plan};
use super::turn_diff::TurnDiff;
use super::{diff, disk, parse};
use crate::sink::Sink;

/// Context lines in the diff of a `fileChange` item, as in the reference.
const ITEM_CONTEXT_LINES: usize = 1;

/// A patch to run.
pub(crate) struct PatchCall {
    /// Id of the call and of its item.
    pub(crate) call_id: String,
    /// The patch text.
    pub(crate) patch: String,
    /// Absolute folder that its paths are relative to.
    pub(crate) folder: PathBuf,
    /// Absolute working folder of the turn, which the turn's diff is relative to
    /// unless it lies in a repository.
    pub(crate) turn_folder: PathBuf,
}

/// Runs patches, one at a time, and follows what a turn's patches did.
pub(crate) struct Patcher {
    clock: Arc<dyn Clock>,
    /// The turn whose patches ran last. Held while a patch is checked and written,
    /// so that two patches of one response cannot work on each other's leftovers.
    turn: Arc<Mutex<Option<Turn>>>,
}

struct Turn {
    id: Arc<str>,
    diff: TurnDiff,
}

impl Patcher {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            turn: Arc::new(Mutex::new(None)),
        }
    }

    /// Forgets the files of a turn that ended. Does nothing while a patch runs; then
    /// the next turn's first patch does it.
    pub(crate) fn forget(&self, turn_id: &str) {
        if let Ok(mut turn) = self.turn.try_lock() {
            turn.take_if(|turn| *turn.id == *turn_id);
        }
    }

    /// Runs a patch and gives the text for the model.
    ///
    /// # Errors
    /// The text for the model when the patch does not fit; then there was no item.
    pub(crate) async fn run(&self, sink: &Sink, call: PatchCall) -> Result<String, String> {
        let turn = Arc::clone(&self.turn).lock_owned().await;
        let begun = self.clock.now();
        let PatchCall {
            call_id,
            patch,
            folder,
            turn_folder,
        } = call;
        let checked = blocking(move || check(&patch, &folder)).await;
        let plan = match checked {
            Some(Ok(plan)) => plan,
            Some(Err(error)) => return Err(error.to_string()),
            None => return Err(FAILED.to_owned()),
        };
        let mut item = ThreadItem::new(
            call_id,
            ItemKind::FileChange(FileChangeItem {
                changes: changes(&plan),
                status: PatchApplyStatus::InProgress,
            }),
        );
        item.set_times(Some(begun.wall_ms), None);
        sink.send(ToolEvent::ItemStarted(item.clone())).await;

        let turn_id = sink.turn_id();
        let written = blocking(move || {
            let mut turn = turn;
            disk::write(&plan)?;
            let diff = &mut current(&mut turn, &turn_id, &turn_folder).diff;
            diff.record(&plan);
            Ok((plan, diff.render()))
        })
        .await
        .unwrap_or_else(|| Err(FAILED.to_owned()));

        let now = self.clock.now();
        let status = match &written {
            Ok(_) => PatchApplyStatus::Completed,
            Err(_) => PatchApplyStatus::Failed,
        };
        if let ItemKind::FileChange(change) = &mut item.kind {
            change.status = status;
        }
        item.set_times(Some(begun.wall_ms), Some(now.wall_ms));
        sink.send(ToolEvent::ItemCompleted(item)).await;
        let (code, text) = match written {
            Ok((plan, diff)) => {
                sink.send(ToolEvent::TurnDiff { diff }).await;
                (0, summary(&plan))
            }
            Err(failure) => (1, format!("{failure}\n")),
        };
        let seconds = now.mono.saturating_sub(begun.mono).as_secs_f64();
        let seconds = (seconds * 10.0).round() / 10.0;
        Ok(format!(
            "Exit code: {code}\nWall time: {seconds} seconds\nOutput:\n{text}"
        ))
    }
}

/// What the model is told if the work on the files panicked.
const FAILED: &str = "apply_patch failed inside the tool; the files may be changed in part";

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    tokio::task::spawn_blocking(work).await.ok()
}

fn check(patch: &str, folder: &Path) -> Result<Plan, PlanError> {
    plan(&parse::parse(patch)?, folder, &mut disk::read)
}

fn current<'a>(slot: &'a mut Option<Turn>, id: &Arc<str>, folder: &Path) -> &'a mut Turn {
    slot.take_if(|turn| turn.id != *id);
    slot.get_or_insert_with(|| Turn {
        id: Arc::clone(id),
        diff: TurnDiff::new(base_folder(folder)),
    })
}

/// The nearest folder upwards that holds a `.git`, else the folder itself.
fn base_folder(folder: &Path) -> PathBuf {
    folder
        .ancestors()
        .find(|candidate| candidate.join(".git").exists())
        .unwrap_or(folder)
        .to_owned()
}

/// The changes as the item shows them, sorted by path.
fn changes(plan: &Plan) -> Vec<FileUpdateChange> {
    let mut shown: Vec<FileUpdateChange> = plan.changes.iter().map(shown).collect();
    shown.sort_by(|a, b| a.path.cmp(&b.path));
    shown
}

fn shown(change: &Change) -> FileUpdateChange {
    let (kind, diff) = match &change.kind {
        ChangeKind::Add { new, .. } => (PatchChangeKind::Add, new.clone()),
        ChangeKind::Delete { old } => (PatchChangeKind::Delete, old.clone()),
        ChangeKind::Update { old, new, moved } => {
            let mut diff = diff::hunks(old, new, ITEM_CONTEXT_LINES);
            let move_path = moved.as_ref().map(|(to, _)| to.display().to_string());
            if let Some(to) = &move_path {
                diff.push_str("\n\nMoved to: ");
                diff.push_str(to);
            }
            (PatchChangeKind::Update { move_path }, diff)
        }
    };
    FileUpdateChange {
        path: change.path.display().to_string(),
        kind,
        diff,
    }
}

/// The list of files for the model: added, then changed, then removed ones.
fn summary(plan: &Plan) -> String {
    let mut text = "Success. Updated the following files:\n".to_owned();
    for letter in ['A', 'M', 'D'] {
        for change in &plan.changes {
            let own = match change.kind {
                ChangeKind::Add { .. } => 'A',
                ChangeKind::Update { .. } => 'M',
                ChangeKind::Delete { .. } => 'D',
            };
            if own == letter {
                text.push_str(&format!("{letter} {}\n", change.written));
            }
        }
    }
    text
}
