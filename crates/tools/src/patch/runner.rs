//! Runs one patch: check, item, write, diff of the turn, text for the model.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use loomd_base::{Clock, Now};
use loomd_events::ToolEvent;
use loomd_protocol::{
    FileChangeItem, FileUpdateChange, ItemKind, PatchApplyStatus, PatchChangeKind, ThreadItem,
};
use loomd_sandbox::{Policy, real_target};
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::plan::{Change, ChangeKind, Plan, PlanError, plan};
use super::turn_diff::TurnDiff;
use super::{confined, diff, disk, parse};
use crate::approval::{self, Decision};
use crate::call::Call;
use crate::confine::Confinement;
use crate::gate::{self, Place, Reach, Refusal, Verdict};

/// Context lines in the diff of a `fileChange` item, as in the reference.
const ITEM_CONTEXT_LINES: usize = 1;

/// A patch to run.
pub(crate) struct PatchCall {
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

    /// Runs a patch and gives the text for the model. `None` when nobody wants it,
    /// because the turn ends.
    ///
    /// # Errors
    /// The text for the model when the patch does not fit (then there was no item), the
    /// user did not allow it or its files could not be written.
    pub(crate) async fn run(
        &self,
        call: &Call,
        patch: PatchCall,
    ) -> Option<Result<String, String>> {
        match self.run_checked(call, patch).await {
            Ok(text) => Some(Ok(text)),
            Err(Stopped::Refused(text)) => Some(Err(text)),
            Err(Stopped::TurnEnds) => None,
        }
    }

    async fn run_checked(&self, call: &Call, patch: PatchCall) -> Result<String, Stopped> {
        let turn = Arc::clone(&self.turn).lock_owned().await;
        let begun = self.clock.now();
        let bounds = call.shared().confinement(&call.context, Place::Inside);
        let seen = checked(&patch, bounds.as_ref()).await?;
        let (place, is_asked) = match gate::judge_patch(&call.context, seen.reach) {
            Verdict::Run(place) => (place, call.has_answer()),
            Verdict::Ask(place, _) => (place, true),
            Verdict::Refuse(Refusal::Text(text) | Refusal::Rejected(text)) => {
                return Err(Stopped::Refused(text));
            }
        };
        let item = new_item(call.id(), &seen.plan, begun);
        let (turn, seen) = if is_asked {
            // The user may take hours, and other patches must not wait for that. What
            // was checked may not hold any more afterwards.
            drop(turn);
            self.allowed(call, &item, &seen.real).await?;
            let turn = Arc::clone(&self.turn).lock_owned().await;
            match checked(&patch, bounds.as_ref()).await {
                // Allowed was what was seen; other files are for the user to say again.
                Ok(now) if now.real != seen.real || now.reach != seen.reach => {
                    self.complete(call, item, begun, PatchApplyStatus::Failed)
                        .await;
                    return Err(Stopped::Refused(MOVED.to_owned()));
                }
                Ok(now) => (turn, now),
                Err(stopped) => {
                    self.complete(call, item, begun, PatchApplyStatus::Failed)
                        .await;
                    return Err(stopped);
                }
            }
        } else {
            call.sink().send(ToolEvent::ItemStarted(item.clone())).await;
            (turn, seen)
        };
        let confinement = match (place, bounds) {
            (Place::Inside, bounds) => bounds,
            // What the user allowed is the files where they really are. A name could still
            // come to lead elsewhere, so also this is written by somebody who can write
            // nothing but what the thread may, and in the folders of those files.
            (Place::Outside, Some(mut bounds)) => {
                bounds.bounds.open(seen.folders());
                Some(bounds)
            }
            (Place::Outside, None) => None,
        };
        let work = Writing {
            plan: seen.plan,
            turn_folder: patch.turn_folder,
            confinement,
        };
        self.write(call, turn, work, item, begun).await
    }

    /// Asks the user, unless all the files were allowed for the session. They are known by
    /// where they really are: a name may become a link to something else.
    async fn allowed(
        &self,
        call: &Call,
        item: &ThreadItem,
        files: &BTreeSet<PathBuf>,
    ) -> Result<(), Stopped> {
        let shared = call.shared();
        let granted = files.iter().all(|file| {
            shared
                .registry()
                .is_granted(PATCH_GRANT, file, Place::Outside)
        });
        if granted && !call.has_answer() {
            call.sink().send(ToolEvent::ItemStarted(item.clone())).await;
            return Ok(());
        }
        match approval::ask_patch(call, item.clone()).await {
            Decision::Run | Decision::RunAndAllow(_) => Ok(()),
            Decision::RunAlways => {
                files.iter().for_each(|file| {
                    shared.registry().grant(PATCH_GRANT, file, Place::Outside);
                });
                Ok(())
            }
            Decision::Declined => Err(Stopped::Refused("patch rejected by user".to_owned())),
            Decision::Failed => Err(Stopped::Refused(approval::FAILED.to_owned())),
            Decision::TurnEnds => Err(Stopped::TurnEnds),
        }
    }

    async fn write(
        &self,
        call: &Call,
        mut turn: OwnedMutexGuard<Option<Turn>>,
        work: Writing,
        item: ThreadItem,
        begun: Now,
    ) -> Result<String, Stopped> {
        let Writing {
            plan,
            turn_folder,
            confinement,
        } = work;
        let written = match confinement {
            Some(confinement) => confined::write(plan, confinement).await,
            None => blocking(move || disk::write(&plan).map(|()| plan))
                .await
                .unwrap_or_else(|| Err(FAILED.to_owned())),
        };
        let turn_id = call.sink().turn_id();
        let mut record = move |plan: Plan| {
            let diff = &mut current(&mut turn, &turn_id, &turn_folder).diff;
            diff.record(&plan);
            (diff.render(), plan)
        };
        let written = match written {
            Ok(plan) => blocking(move || record(plan))
                .await
                .ok_or_else(|| FAILED.to_owned()),
            Err(failure) => Err(failure),
        };

        let status = match &written {
            Ok(_) => PatchApplyStatus::Completed,
            Err(_) => PatchApplyStatus::Failed,
        };
        let now = self.complete(call, item, begun, status).await;
        let seconds = now.mono.saturating_sub(begun.mono).as_secs_f64();
        let seconds = (seconds * 10.0).round() / 10.0;
        let report = |code, text| {
            format!("Exit code: {code}\nWall time: {seconds} seconds\nOutput:\n{text}")
        };
        match written {
            Ok((diff, plan)) => {
                call.sink().send(ToolEvent::TurnDiff { diff }).await;
                Ok(report(0, summary(&plan)))
            }
            Err(failure) => Err(Stopped::Refused(report(1, format!("{failure}\n")))),
        }
    }

    async fn complete(
        &self,
        call: &Call,
        mut item: ThreadItem,
        begun: Now,
        status: PatchApplyStatus,
    ) -> Now {
        let now = self.clock.now();
        if let ItemKind::FileChange(change) = &mut item.kind {
            change.status = status;
        }
        item.set_times(Some(begun.wall_ms), Some(now.wall_ms));
        call.sink().send(ToolEvent::ItemCompleted(item)).await;
        now
    }
}

/// What is written, and how.
struct Writing {
    plan: Plan,
    turn_folder: PathBuf,
    /// What confines the writing, if anything does.
    confinement: Option<Confinement>,
}

/// What the model is told if files became others while the user was asked.
const MOVED: &str = "patch rejected: its files lead elsewhere by now";

/// Stands for all patches among what the user allowed for the session.
const PATCH_GRANT: &str = "apply_patch";

/// Why a patch was not applied.
enum Stopped {
    /// It was refused or failed; the model reads this text.
    Refused(String),
    /// Nobody reads anything.
    TurnEnds,
}

/// A patch that fits.
pub(super) struct Checked {
    /// What it does.
    pub(super) plan: Plan,
    /// Where its files really are.
    real: BTreeSet<PathBuf>,
    /// Whether all of them are inside the bounds.
    pub(super) reach: Reach,
}

impl Checked {
    /// The folders that its files are in, or are to be made in.
    fn folders(&self) -> BTreeSet<PathBuf> {
        let nearest = |file: &PathBuf| {
            let mut around = file.ancestors().skip(1);
            around.find(|folder| folder.is_dir()).map(Path::to_owned)
        };
        self.real.iter().filter_map(nearest).collect()
    }
}

async fn checked(patch: &PatchCall, bounds: Option<&Confinement>) -> Result<Checked, Stopped> {
    let (text, folder) = (patch.patch.clone(), patch.folder.clone());
    let bounds = bounds.map(|bounds| bounds.bounds.clone());
    match blocking(move || {
        let policy = bounds.map(|bounds| bounds.settle()).transpose()?;
        check(&text, &folder, policy.as_ref()).map_err(|error| error.to_string())
    })
    .await
    {
        Some(Ok(checked)) => Ok(checked),
        Some(Err(text)) => Err(Stopped::Refused(text)),
        None => Err(Stopped::Refused(FAILED.to_owned())),
    }
}

fn new_item(call_id: &str, plan: &Plan, begun: Now) -> ThreadItem {
    let kind = ItemKind::FileChange(FileChangeItem {
        changes: changes(plan),
        status: PatchApplyStatus::InProgress,
    });
    let mut item = ThreadItem::new(call_id.to_owned(), kind);
    item.set_times(Some(begun.wall_ms), None);
    item
}

/// What the model is told if the work on the files panicked.
const FAILED: &str = "apply_patch failed inside the tool; the files may be changed in part";

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    tokio::task::spawn_blocking(work).await.ok()
}

pub(super) fn check(
    patch: &str,
    folder: &Path,
    policy: Option<&Policy>,
) -> Result<Checked, PlanError> {
    let is_hidden = |path: &Path| policy.is_some_and(|policy| policy.forbids_read(path));
    let mut read = |path: &Path| match is_hidden(path) {
        true => Err(io::Error::from(rustix::io::Errno::ACCESS).to_string()),
        false => disk::read(path),
    };
    let plan = plan(&parse::parse(patch)?, folder, &mut read)?;
    let is_inside = |file: &Path| policy.is_none_or(|policy| policy.allows_write(file));
    let reach = match plan.files().all(is_inside) {
        true => Reach::Inside,
        false => Reach::Outside,
    };
    let real = |file: &Path| real_target(file).unwrap_or_else(|| file.to_owned());
    let real = plan.files().map(real).collect();
    Ok(Checked { plan, real, reach })
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
        .find(|candidate| {
            let git = candidate.join(".git");
            // An empty folder of that name may only hold the place of one in a sandbox.
            git.is_file() || git.join("HEAD").exists()
        })
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
