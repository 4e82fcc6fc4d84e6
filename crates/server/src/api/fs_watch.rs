//! Watching files and folders: `fs/watch`, `fs/unwatch` and `fs/changed`.
//!
//! Both run in the connection's order, so that a watch that was asked for can be ended by the
//! next request, and an id used again by the one after.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use loomd_files::normal;
use loomd_files::watch::{Told, WatchError};
use loomd_protocol::{
    AbsolutePathBuf, FsChangedNotification, FsUnwatchParams, FsUnwatchResponse, FsWatchParams,
    FsWatchResponse, ServerNotification, methods,
};

use crate::errors::{ApiError, ApiResult};
use crate::host::send_to;
use crate::router::{Answer, Cx, Route, raw};

pub(crate) fn routes() -> Vec<Route> {
    vec![
        raw::<methods::FsWatch, _>(watch),
        raw::<methods::FsUnwatch, _>(unwatch),
    ]
}

impl From<WatchError> for ApiError {
    fn from(error: WatchError) -> Self {
        match error {
            WatchError::Exists(_) | WatchError::TooMany => Self::invalid(error.to_string()),
            WatchError::System(_) | WatchError::Failed => Self::internal(error.to_string()),
        }
    }
}

async fn watch(cx: Cx, params: FsWatchParams, answer: Answer<methods::FsWatch>) {
    answer.send(start(&cx, params).await);
}

async fn start(cx: &Cx, params: FsWatchParams) -> ApiResult<FsWatchResponse> {
    let path = normal(params.path.as_path());
    let response = FsWatchResponse {
        path: on_wire(&path)
            .ok_or_else(|| ApiError::internal("the path is not absolute any more"))?,
    };
    let (peer, clock) = (Arc::clone(&cx.peer), Arc::clone(&cx.server.clock));
    let watch_id = params.watch_id.clone();
    let tell = move |changed: &BTreeSet<PathBuf>| {
        if peer.lags() {
            return Told::Later;
        }
        let note = ServerNotification::FsChanged(FsChangedNotification {
            watch_id: watch_id.clone(),
            changed_paths: changed.iter().filter_map(|path| on_wire(path)).collect(),
        });
        send_to([&peer].into_iter(), &note, clock.now().wall_ms);
        Told::Taken
    };
    let watches = &cx.server.watches;
    watches
        .watch(cx.peer.id, params.watch_id, path, Box::new(tell))
        .await?;
    Ok(response)
}

fn on_wire(path: &Path) -> Option<AbsolutePathBuf> {
    AbsolutePathBuf::new(path.to_string_lossy())
}

async fn unwatch(cx: Cx, params: FsUnwatchParams, answer: Answer<methods::FsUnwatch>) {
    let watches = &cx.server.watches;
    watches.unwatch(cx.peer.id, params.watch_id).await;
    answer.send(Ok(FsUnwatchResponse {}));
}
