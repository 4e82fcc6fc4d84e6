//! Pages of turns and of items.
//!
//! A cursor names an anchor and says whether the anchor itself belongs to the page;
//! the direction is the request's, so one cursor serves both ways. Cursors are opaque
//! to clients; the form is JSON text so that a log is readable.

use std::sync::Arc;

use loomd_protocol::{
    CommandExecutionStatus, ItemKind, McpToolCallStatus, SortDirection, ThreadItem,
    ThreadItemEntry, ThreadItemsListAnchor, ThreadItemsListCursor, ThreadTimelineEntry, Turn,
    TurnItemsView, TurnStatus, TurnsPage,
};
use loomd_thread::Newest;
use serde::{Deserialize, Serialize};

use crate::errors::{ApiError, ApiResult};

/// Turns of a page when the client names no limit.
const TURNS_DEFAULT: u32 = 25;
/// Turns of a page at most.
const TURNS_MAX: u32 = 100;
/// Entries of a page of the timeline when the client names no limit, and at most.
const TIMELINE_MAX: u32 = 100;
/// Items of a page when the client names no limit, and at most.
const ITEMS_MAX: u32 = 100;

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Anchor {
    #[serde(skip_serializing_if = "Option::is_none")]
    turn_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    item_id: Option<String>,
    include_anchor: bool,
}

impl Anchor {
    fn parse(cursor: &str) -> ApiResult<Self> {
        serde_json::from_str(cursor)
            .map_err(|_| ApiError::invalid(format!("invalid cursor: {cursor}")))
    }

    fn write(&self) -> String {
        serde_json::to_string(self).expect("an anchor is two strings and a bool")
    }
}

pub(crate) fn turn_cursor(turn: &Turn, include_anchor: bool) -> String {
    Anchor {
        turn_id: Some(turn.id.clone()),
        item_id: None,
        include_anchor,
    }
    .write()
}

fn item_cursor(turn_id: &str, item: &ThreadItem, include_anchor: bool) -> String {
    Anchor {
        turn_id: Some(turn_id.to_owned()),
        item_id: Some(item.id().to_owned()),
        include_anchor,
    }
    .write()
}

/// The cursor from which a client pages back through all turns.
pub(crate) fn newest_turn_cursor(newest: &Newest) -> Option<String> {
    let anchor = Anchor {
        turn_id: Some(newest.turn_id.clone()?),
        item_id: None,
        include_anchor: true,
    };
    Some(anchor.write())
}

/// The cursor from which a client pages back through all items.
pub(crate) fn newest_item_cursor(newest: &Newest) -> Option<String> {
    let (turn_id, item_id) = newest.item.clone()?;
    let anchor = Anchor {
        turn_id: Some(turn_id),
        item_id: Some(item_id),
        include_anchor: true,
    };
    Some(anchor.write())
}

/// Where a page lies in a list of `len`: indexes in the order of the page, whether
/// more follows, and what was found of the cursor.
struct Window {
    indexes: Vec<usize>,
    more: bool,
}

fn window(
    len: usize,
    start: Option<(usize, bool)>,
    direction: SortDirection,
    limit: usize,
) -> Window {
    let mut all: Box<dyn Iterator<Item = usize>> = match (direction, start) {
        (SortDirection::Asc, None) => Box::new(0..len),
        (SortDirection::Desc, None) => Box::new((0..len).rev()),
        (SortDirection::Asc, Some((at, included))) => Box::new(at + usize::from(!included)..len),
        (SortDirection::Desc, Some((at, included))) => {
            Box::new((0..at + usize::from(included)).rev())
        }
    };
    let indexes: Vec<usize> = all.by_ref().take(limit).collect();
    let more = all.next().is_some();
    Window { indexes, more }
}

fn limit(asked: Option<u32>, default: u32, max: u32) -> usize {
    usize::try_from(asked.unwrap_or(default).clamp(1, max)).unwrap_or(1)
}

/// What a client asks of a page of turns.
pub(crate) struct TurnQuery {
    pub(crate) cursor: Option<String>,
    pub(crate) limit: Option<u32>,
    pub(crate) direction: Option<SortDirection>,
    pub(crate) view: Option<TurnItemsView>,
}

impl TurnQuery {
    /// Turns of the page at most.
    pub(crate) fn count(&self) -> usize {
        limit(self.limit, TURNS_DEFAULT, TURNS_MAX)
    }

    pub(crate) fn is_newest_first(&self) -> bool {
        self.direction != Some(SortDirection::Asc)
    }
}

/// One page of turns, newest first unless asked otherwise.
pub(crate) fn turns_page(turns: &[Arc<Turn>], query: &TurnQuery) -> ApiResult<TurnsPage> {
    let start = match &query.cursor {
        None => None,
        Some(cursor) => {
            let anchor = Anchor::parse(cursor)?;
            let at = turns
                .iter()
                .position(|turn| Some(&turn.id) == anchor.turn_id.as_ref())
                .ok_or_else(|| {
                    ApiError::invalid("invalid cursor: anchor turn is no longer present")
                })?;
            Some((at, anchor.include_anchor))
        }
    };
    let direction = query.direction.unwrap_or(SortDirection::Desc);
    let window = window(turns.len(), start, direction, query.count());
    let view = query.view.unwrap_or(TurnItemsView::Summary);
    let page: Vec<&Arc<Turn>> = window.indexes.iter().map(|at| &turns[*at]).collect();
    Ok(TurnsPage {
        next_cursor: page
            .last()
            .filter(|_| window.more)
            .map(|turn| turn_cursor(turn, false)),
        backwards_cursor: page.first().map(|turn| turn_cursor(turn, true)),
        data: page.into_iter().map(|turn| seen(turn, view)).collect(),
    })
}

/// A turn with as many of its items as asked for; with all of them it is shared.
pub(crate) fn seen(turn: &Arc<Turn>, view: TurnItemsView) -> Arc<Turn> {
    let items = match view {
        TurnItemsView::Full if turn.items_view == view => return Arc::clone(turn),
        TurnItemsView::Full => turn.items.clone(),
        TurnItemsView::NotLoaded => Vec::new(),
        TurnItemsView::Summary => {
            let first = turn.items.iter().find(|item| is_user_message(item));
            let last = turn.items.iter().rev().find(|item| is_agent_message(item));
            first.into_iter().chain(last).cloned().collect()
        }
    };
    Arc::new(Turn {
        id: turn.id.clone(),
        root_turn_id: turn.root_turn_id.clone(),
        items,
        items_view: view,
        status: turn.status,
        error: turn.error.clone(),
        started_at: turn.started_at,
        completed_at: turn.completed_at,
        duration_ms: turn.duration_ms,
    })
}

fn is_user_message(item: &ThreadItem) -> bool {
    matches!(item.kind, ItemKind::UserMessage(_))
}

fn is_agent_message(item: &ThreadItem) -> bool {
    matches!(item.kind, ItemKind::AgentMessage(_))
}

/// Which outputs a page of items leaves out.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Deferral {
    pub(crate) commands: bool,
    pub(crate) mcp_calls: bool,
}

/// What a client asks of a page of items.
pub(crate) struct ItemQuery {
    pub(crate) defer: Deferral,
    pub(crate) turn_id: Option<String>,
    pub(crate) cursor: Option<ThreadItemsListCursor>,
    pub(crate) limit: Option<u32>,
    pub(crate) direction: Option<SortDirection>,
}

/// A page of items.
pub(crate) struct ItemsPage {
    pub(crate) data: Vec<ThreadItemEntry>,
    pub(crate) next_cursor: Option<String>,
    pub(crate) backwards_cursor: Option<String>,
}

/// One page of items across turns, oldest first unless asked otherwise.
pub(crate) fn items_page(turns: &[Arc<Turn>], query: &ItemQuery) -> ApiResult<ItemsPage> {
    let all: Vec<(&str, &ThreadItem)> = turns
        .iter()
        .filter(|turn| query.turn_id.as_ref().is_none_or(|id| *id == turn.id))
        .flat_map(|turn| turn.items.iter().map(move |item| (turn.id.as_str(), item)))
        .collect();
    let start = match &query.cursor {
        None => None,
        Some(ThreadItemsListCursor::Anchor(ThreadItemsListAnchor::Item { item_id })) => {
            if query.turn_id.as_ref().is_none_or(String::is_empty) {
                return Err(ApiError::invalid_params(
                    "turnId is required when cursor is an item anchor",
                ));
            }
            let at = position(&all, item_id).map_err(|_| {
                ApiError::invalid_params(
                    "cursor.itemId does not identify an item in the requested history scope",
                )
            })?;
            Some((at, false))
        }
        Some(ThreadItemsListCursor::Opaque(cursor)) => {
            let anchor = Anchor::parse(cursor)?;
            let item_id = anchor
                .item_id
                .ok_or_else(|| ApiError::invalid(format!("invalid cursor: {cursor}")))?;
            Some((position(&all, &item_id)?, anchor.include_anchor))
        }
    };
    let direction = query.direction.unwrap_or(SortDirection::Asc);
    let limit = limit(query.limit, ITEMS_MAX, ITEMS_MAX);
    let window = window(all.len(), start, direction, limit);
    let page: Vec<(&str, &ThreadItem)> = window.indexes.iter().map(|at| all[*at]).collect();
    Ok(ItemsPage {
        next_cursor: page
            .last()
            .filter(|_| window.more)
            .map(|(turn_id, item)| item_cursor(turn_id, item, false)),
        backwards_cursor: page
            .first()
            .map(|(turn_id, item)| item_cursor(turn_id, item, true)),
        data: page
            .into_iter()
            .map(|(turn_id, item)| entry(turn_id, item, query.defer))
            .collect(),
    })
}

/// An item with its turn; without its output if that is put off.
fn entry(turn_id: &str, item: &ThreadItem, defer: Deferral) -> ThreadItemEntry {
    let mut item = item.clone();
    let mut output_deferred = false;
    if let ItemKind::CommandExecution(command) = &mut item.kind
        && defer.commands
        && command.status == CommandExecutionStatus::Completed
    {
        let output = command.aggregated_output.take();
        output_deferred = output.is_some_and(|output| !output.is_empty());
    }
    if let ItemKind::McpToolCall(call) = &mut item.kind
        && defer.mcp_calls
        && call.status == McpToolCallStatus::Completed
    {
        output_deferred = call.result.take().is_some();
    }
    ThreadItemEntry {
        turn_id: turn_id.to_owned(),
        output_deferred,
        started_at_ms: item.started_at_ms,
        completed_at_ms: item.completed_at_ms,
        item,
    }
}

/// Those items of a turn that are named, in the order of the turn.
pub(crate) fn items_named(
    turns: &[Arc<Turn>],
    turn_id: &str,
    ids: &[String],
) -> Vec<ThreadItemEntry> {
    let turn = turns.iter().find(|turn| turn.id == turn_id);
    let items = turn.into_iter().flat_map(|turn| &turn.items);
    items
        .filter(|item| ids.iter().any(|id| id == item.id()))
        .map(|item| entry(turn_id, item, Deferral::default()))
        .collect()
}

/// One page of the timeline, the newest first.
pub(crate) fn timeline_page(
    turns: &[Arc<Turn>],
    cursor: Option<&str>,
    asked: Option<u32>,
) -> ApiResult<(Vec<ThreadTimelineEntry>, Option<String>)> {
    let before = match cursor {
        None => usize::MAX,
        Some(cursor) => cursor
            .parse::<usize>()
            .map_err(|_| ApiError::invalid("invalid thread timeline cursor"))?,
    };
    let length = |turn: &Arc<Turn>| turn.items.len() + 1 + usize::from(has_ended(turn));
    let all: usize = turns.iter().map(length).sum();
    let end = before.min(all);
    let start = end.saturating_sub(limit(asked, TIMELINE_MAX, TIMELINE_MAX));
    let mut data = Vec::with_capacity(end - start);
    let mut first = 0;
    for turn in turns {
        let next = first + length(turn);
        for position in first.max(start)..next.min(end) {
            data.push(timeline_entry(turn, position - first, position));
        }
        first = next;
    }
    Ok((data, (start > 0).then(|| start.to_string())))
}

fn has_ended(turn: &Turn) -> bool {
    turn.status != TurnStatus::InProgress
}

/// The beginning of a turn is its first entry, then come its items, its end is the last.
fn timeline_entry(turn: &Turn, index: usize, position: usize) -> ThreadTimelineEntry {
    let position = u64::try_from(position).unwrap_or(u64::MAX);
    let turn_id = turn.id.clone();
    let Some(index) = index.checked_sub(1) else {
        return ThreadTimelineEntry::TurnStarted {
            position,
            turn_id,
            started_at: turn.started_at,
        };
    };
    match turn.items.get(index) {
        Some(item) => ThreadTimelineEntry::Item {
            position,
            turn_id,
            item: item.clone(),
        },
        None => ThreadTimelineEntry::TurnCompleted {
            position,
            turn_id,
            status: turn.status,
            error: turn.error.clone(),
            started_at: turn.started_at,
            completed_at: turn.completed_at,
            duration_ms: turn.duration_ms,
        },
    }
}

fn position(all: &[(&str, &ThreadItem)], item_id: &str) -> ApiResult<usize> {
    all.iter()
        .position(|(_, item)| item.id() == item_id)
        .ok_or_else(|| ApiError::invalid("invalid cursor: anchor item is no longer present"))
}
