//! thread/search and thread/searchOccurrences: in the messages of users and models.
//!
//! A search goes through the list of threads in its order and looks into each rollout. It
//! ends when the page is full, or when it has taken [`SEARCH_TIME_MAX`]: then the page
//! may be short, or empty, and its cursor goes on behind the last thread looked into.

use std::sync::Arc;
use std::time::Duration;

use loomd_protocol::{
    Thread, ThreadListParams, ThreadSearchOccurrence, ThreadSearchOccurrencesParams,
    ThreadSearchOccurrencesResponse, ThreadSearchParams, ThreadSearchResponse, ThreadSearchResult,
    ThreadSearchSortKey, ThreadSearchTextRange, ThreadSortKey, Turn, methods,
};
use serde::{Deserialize, Serialize};

use super::paging;
use super::thread_read::history;
use crate::Server;
use crate::errors::{ApiError, ApiResult};
use crate::ids::parse_thread_id;
use crate::library;
use crate::router::{Cx, Route, on_read};
use crate::text::{Needle, on_one_line, snippet};

/// How long one request may look into rollouts.
const SEARCH_TIME_MAX: Duration = Duration::from_secs(5);
/// Threads of a page when the client names no limit, and at most.
const THREADS_DEFAULT: u32 = 25;
const THREADS_MAX: u32 = 100;
/// Occurrences of a page when the client names no limit, and at most.
const OCCURRENCES_DEFAULT: u32 = 50;
const OCCURRENCES_MAX: u32 = 100;
/// Threads that are taken from the list at a time: one, so that a page can end behind any.
const BATCH: u32 = 1;

pub(crate) fn routes() -> Vec<Route> {
    vec![
        on_read::<methods::ThreadSearch, _>(search),
        on_read::<methods::ThreadSearchOccurrences, _>(occurrences),
    ]
}

async fn search(cx: Cx, params: ThreadSearchParams) -> ApiResult<ThreadSearchResponse> {
    let needle = Needle::new(&params.search_term)
        .ok_or_else(|| ApiError::invalid("thread/search requires a non-empty searchTerm"))?;
    let limit = params
        .limit
        .unwrap_or(THREADS_DEFAULT)
        .clamp(1, THREADS_MAX);
    let query = ThreadListParams {
        cursor: params.cursor,
        limit: Some(BATCH),
        sort_key: params.sort_key.map(|key| match key {
            ThreadSearchSortKey::CreatedAt => ThreadSortKey::CreatedAt,
            ThreadSearchSortKey::UpdatedAt => ThreadSortKey::UpdatedAt,
            ThreadSearchSortKey::RecencyAt => ThreadSortKey::RecencyAt,
        }),
        sort_direction: params.sort_direction,
        source_kinds: params.source_kinds,
        archived: params.archived,
        model_providers: Some(Vec::new()),
        ..ThreadListParams::default()
    };
    let server = Arc::clone(&cx.server);
    let limit = usize::try_from(limit).unwrap_or(1);
    crate::blocking(move || go_through(&server, query, &needle, limit)).await?
}

fn go_through(
    server: &Arc<Server>,
    mut query: ThreadListParams,
    needle: &Needle,
    limit: usize,
) -> ApiResult<ThreadSearchResponse> {
    let now = || server.clock.now().mono;
    let until = now() + SEARCH_TIME_MAX;
    let mut response = ThreadSearchResponse {
        data: Vec::new(),
        next_cursor: None,
        backwards_cursor: None,
    };
    loop {
        let page = server
            .library
            .list(&library::query(server, query.clone()))?;
        for (id, thread) in page.threads {
            let Some(snippet) = in_thread(&thread, needle) else {
                continue;
            };
            if response.data.is_empty() {
                response.backwards_cursor.clone_from(&page.backwards_cursor);
            }
            response.data.push(ThreadSearchResult {
                thread: Thread {
                    status: server.registry.status(id),
                    ..thread
                },
                snippet,
            });
        }
        let is_last = page.next_cursor.is_none();
        query.cursor.clone_from(&page.next_cursor);
        if is_last {
            return Ok(response);
        }
        if response.data.len() >= limit || now() >= until {
            response.next_cursor = page.next_cursor;
            return Ok(response);
        }
    }
}

/// The first match in a thread's messages. A rollout that cannot be read has none.
fn in_thread(thread: &Thread, needle: &Needle) -> Option<String> {
    let path = std::path::Path::new(thread.path.as_deref()?);
    let unreadable = |error: &loomd_rollout::Error| {
        tracing::debug!(thread = %thread.id, %error, "rollout left out of a search");
    };
    let maybe = loomd_rollout::any_message(path, |text| needle.is_in(text))
        .inspect_err(unreadable)
        .ok()?;
    if !maybe {
        return None;
    }
    let turns = loomd_rollout::read(path)
        .inspect_err(unreadable)
        .ok()?
        .turns;
    let text = turns
        .iter()
        .flat_map(|turn| &turn.items)
        .filter_map(|item| loomd_rollout::message_text(&item.kind))
        .map(|text| on_one_line(&text))
        .find(|text| needle.is_in(text))?;
    let found = needle.find_all(&text).next()?;
    Some(on_one_line(&snippet(&text, found).text))
}

/// Where a search for occurrences goes on.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Place {
    thread_id: String,
    search_term: String,
    /// Occurrences that were shown.
    shown: usize,
}

async fn occurrences(
    cx: Cx,
    params: ThreadSearchOccurrencesParams,
) -> ApiResult<ThreadSearchOccurrencesResponse> {
    let id = parse_thread_id(&params.thread_id)?;
    let needle = Needle::new(&params.search_term).ok_or_else(|| {
        ApiError::invalid("thread/searchOccurrences requires a non-empty searchTerm")
    })?;
    let mut place = Place {
        thread_id: id.to_string(),
        search_term: params.search_term,
        shown: 0,
    };
    if let Some(cursor) = &params.cursor {
        let fits = |earlier: &Place| {
            earlier.thread_id == place.thread_id && earlier.search_term == place.search_term
        };
        let earlier = serde_json::from_str(cursor).ok().filter(fits);
        place = earlier.ok_or_else(|| ApiError::invalid(format!("invalid cursor: {cursor}")))?;
    }
    let seen = history(&cx, id, "thread/searchOccurrences").await?;
    let limit = params.limit.unwrap_or(OCCURRENCES_DEFAULT);
    let limit = usize::try_from(limit.clamp(1, OCCURRENCES_MAX)).unwrap_or(1);
    crate::blocking(move || {
        let mut found = seen.turns.iter().flat_map(|turn| in_turn(turn, &needle));
        let mut rest = found.by_ref().skip(place.shown);
        let data: Vec<ThreadSearchOccurrence> = rest.by_ref().take(limit).collect();
        let more = rest.next().is_some();
        place.shown = place.shown.saturating_add(data.len());
        ThreadSearchOccurrencesResponse {
            data,
            next_cursor: more.then(|| {
                serde_json::to_string(&place).expect("texts and a number are always written")
            }),
        }
    })
    .await
}

fn in_turn<'a>(
    turn: &'a Turn,
    needle: &'a Needle,
) -> impl Iterator<Item = ThreadSearchOccurrence> + 'a {
    turn.items.iter().flat_map(move |item| {
        let text = loomd_rollout::message_text(&item.kind).unwrap_or_default();
        let found: Vec<_> = needle.find_all(&text).collect();
        let shown: Vec<_> = found
            .into_iter()
            .map(|found| snippet(&text, found))
            .collect();
        shown
            .into_iter()
            .map(move |snippet| ThreadSearchOccurrence {
                turn_id: turn.id.clone(),
                item_id: item.id().to_owned(),
                snippet: snippet.text,
                snippet_match_range: ThreadSearchTextRange {
                    start: u32::try_from(snippet.range.start).unwrap_or(u32::MAX),
                    end: u32::try_from(snippet.range.end).unwrap_or(u32::MAX),
                },
                turn_cursor: paging::turn_cursor(turn, true),
            })
    })
}
