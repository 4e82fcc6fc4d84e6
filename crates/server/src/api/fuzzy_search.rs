//! Finding files by a few letters: `fuzzyFileSearch` and its sessions.
//!
//! A session belongs to the connection that started it and ends with it; any connection may
//! change its query or stop it, and all are told what it finds, as in the reference.

use std::future::Future;
use std::path::Path;
use std::sync::Arc;

use loomd_files::normal;
use loomd_files::search::session::News;
use loomd_files::search::{Match, QUERY_BYTES_MAX, Query, Root, find};
use loomd_protocol::{
    FuzzyFileSearchMatchType, FuzzyFileSearchParams, FuzzyFileSearchResponse,
    FuzzyFileSearchResult, FuzzyFileSearchSessionCompletedNotification,
    FuzzyFileSearchSessionStartParams, FuzzyFileSearchSessionStartResponse,
    FuzzyFileSearchSessionStopParams, FuzzyFileSearchSessionStopResponse,
    FuzzyFileSearchSessionUpdateParams, FuzzyFileSearchSessionUpdateResponse,
    FuzzyFileSearchSessionUpdatedNotification, ServerNotification, methods,
};

use crate::Server;
use crate::errors::{ApiError, ApiResult};
use crate::host::send_to;
use crate::router::{Answer, Cx, Route, on_connection, on_read, raw};

/// Folders that one request may name.
const ROOTS_MAX: usize = 256;

pub(crate) fn routes() -> Vec<Route> {
    vec![
        on_read::<methods::FuzzyFileSearch, _>(search),
        raw::<methods::FuzzyFileSearchSessionStart, _>(start),
        raw::<methods::FuzzyFileSearchSessionUpdate, _>(update),
        on_connection::<methods::FuzzyFileSearchSessionStop>(stop),
    ]
}

/// The search takes the place of an earlier one in the connection's order, before it runs.
fn search(
    cx: Cx,
    params: FuzzyFileSearchParams,
) -> impl Future<Output = ApiResult<FuzzyFileSearchResponse>> + Send + 'static {
    let search = cx.peer.file_work.begin_search(params.cancellation_token);
    async move {
        let query = query(&params.query)?;
        let roots = roots(&cx.server, params.roots)?;
        // One that was overtaken answers with what it has found, as in the reference.
        let Some(turn) = search.turn().await else {
            return Ok(FuzzyFileSearchResponse { files: Vec::new() });
        };
        crate::blocking(move || {
            let _turn = turn;
            let stop = || search.is_stopped() || cx.peer.is_gone();
            FuzzyFileSearchResponse {
                files: results(find(&roots, &query, &stop)),
            }
        })
        .await
    }
}

fn query(text: &str) -> ApiResult<Query> {
    Query::new(text).ok_or_else(|| {
        ApiError::invalid_params(format!(
            "query must not be longer than {QUERY_BYTES_MAX} bytes"
        ))
    })
}

/// The folders of a request. The empty name is none.
fn roots(server: &Server, names: Vec<String>) -> ApiResult<Vec<Root>> {
    if names.len() > ROOTS_MAX {
        return Err(ApiError::invalid_params(format!(
            "roots must not be more than {ROOTS_MAX}"
        )));
    }
    let named = names.into_iter().filter(|name| !name.is_empty());
    let roots = named.map(|name| Root {
        path: normal(&server.environment.current_dir.join(Path::new(&name))),
        name,
    });
    Ok(roots.collect())
}

fn results(matches: Vec<Match>) -> Vec<FuzzyFileSearchResult> {
    let results = matches.into_iter().map(|found| FuzzyFileSearchResult {
        root: found.root,
        file_name: found.path.rsplit('/').next().unwrap_or_default().to_owned(),
        path: found.path,
        match_type: if found.is_directory {
            FuzzyFileSearchMatchType::Directory
        } else {
            FuzzyFileSearchMatchType::File
        },
        score: found.score,
        indices: Some(found.indices),
    });
    results.collect()
}

/// Answers before the session begins, so that nothing it tells comes before the answer.
async fn start(
    cx: Cx,
    params: FuzzyFileSearchSessionStartParams,
    answer: Answer<methods::FuzzyFileSearchSessionStart>,
) {
    match open(&cx, params) {
        Ok(begin) => {
            answer.send(Ok(FuzzyFileSearchSessionStartResponse {}));
            begin();
        }
        Err(error) => answer.send(Err(error)),
    }
}

fn open(cx: &Cx, params: FuzzyFileSearchSessionStartParams) -> ApiResult<impl FnOnce() + use<>> {
    let id = params.session_id;
    if id.is_empty() {
        return Err(ApiError::invalid("sessionId must not be empty"));
    }
    if params.roots.is_empty() {
        return Err(ApiError::internal(
            "failed to start fuzzy file search session: at least one search directory is required",
        ));
    }
    let server = &cx.server;
    let roots = roots(server, params.roots)?;
    let (peers, clock) = (Arc::clone(&server.peers), Arc::clone(&server.clock));
    let (owner, session_id) = (cx.peer.id, id.clone());
    let tell = move |news: News| {
        let note = note(&session_id, news);
        let ready = peers.ready();
        // It is for whoever is interested, and not worth the connection of one who does not
        // read.
        let readers = ready.iter().filter(|peer| peer.id == owner || !peer.lags());
        send_to(readers, &note, clock.now().wall_ms);
    };
    let opened = server.searches.open(owner, id, roots, tell);
    let session = opened.map_err(|error| {
        ApiError::invalid(format!(
            "failed to start fuzzy file search session: {error}"
        ))
    })?;
    let turns = cx.peer.file_work.search_turns();
    Ok(move || session.begin(turns))
}

fn note(session_id: &str, news: News) -> ServerNotification {
    let session_id = session_id.to_owned();
    match news {
        News::Updated { query, matches } => ServerNotification::FuzzyFileSearchSessionUpdated(
            FuzzyFileSearchSessionUpdatedNotification {
                session_id,
                query,
                files: results(matches),
            },
        ),
        News::Completed => ServerNotification::FuzzyFileSearchSessionCompleted(
            FuzzyFileSearchSessionCompletedNotification { session_id },
        ),
    }
}

async fn update(
    cx: Cx,
    params: FuzzyFileSearchSessionUpdateParams,
    answer: Answer<methods::FuzzyFileSearchSessionUpdate>,
) {
    let session = cx.server.searches.get(&params.session_id).ok_or_else(|| {
        ApiError::invalid(format!(
            "fuzzy file search session not found: {}",
            params.session_id
        ))
    });
    match session.and_then(|session| Ok((session, query(&params.query)?))) {
        Ok((session, query)) => {
            answer.send(Ok(FuzzyFileSearchSessionUpdateResponse {}));
            session.look_for(query);
        }
        Err(error) => answer.send(Err(error)),
    }
}

fn stop(
    cx: &Cx,
    params: FuzzyFileSearchSessionStopParams,
) -> ApiResult<FuzzyFileSearchSessionStopResponse> {
    cx.server.searches.stop(&params.session_id);
    cx.server.note_freed();
    Ok(FuzzyFileSearchSessionStopResponse {})
}
