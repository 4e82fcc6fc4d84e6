//! Pages of turns and of items.
//!
//! A cursor names an anchor and says whether the anchor itself belongs to the page;
//! the direction is the request's, so one cursor serves both ways. Cursors are opaque
//! to clients; the form is JSON text so that a log is readable.

use std::sync::Arc;

use loomd_protocol::{
    ItemKind, SortDirection, ThreadItem, ThreadItemEntry, ThreadItemsListAnchor,
    ThreadItemsListCursor, Turn, TurnItemsView, TurnsPage,
};
use loomd_thread::Newest;
use serde::{Deserialize, Serialize};

use crate::errors::{ApiError, ApiResult};

/// Turns of a page when the client names no limit.
const TURNS_DEFAULT: u32 = 25;
/// Turns of a page at most.
const TURNS_MAX: u32 = 100;
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

fn turn_cursor(turn: &Turn, include_anchor: bool) -> String {
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

/// What a client asks of a page of items.
pub(crate) struct ItemQuery {
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
            Some((position(&all, item_id)?, true))
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
            .map(|(turn_id, item)| ThreadItemEntry {
                turn_id: turn_id.to_owned(),
                item: item.clone(),
                output_deferred: false,
                started_at_ms: item.started_at_ms,
                completed_at_ms: item.completed_at_ms,
            })
            .collect(),
    })
}

fn position(all: &[(&str, &ThreadItem)], item_id: &str) -> ApiResult<usize> {
    all.iter()
        .position(|(_, item)| item.id() == item_id)
        .ok_or_else(|| ApiError::invalid("invalid cursor: anchor item is no longer present"))
}
