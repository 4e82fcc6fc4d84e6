//! Handlers, one file per area: take params, make a command or a query, shape the
//! response. Rules live in `thread`; what a handler needs of the machine it asks of
//! its crate.

pub(crate) mod account;
pub(crate) mod catalog;
pub(crate) mod command_exec;
pub(crate) mod config;
pub(crate) mod connection;
pub(crate) mod extensions;
pub(crate) mod fs;
pub(crate) mod fs_watch;
pub(crate) mod fuzzy_search;
pub(crate) mod offset;
pub(crate) mod paging;
pub(crate) mod process;
pub(crate) mod redact;
pub(crate) mod skills;
pub(crate) mod thread_archive;
pub(crate) mod thread_goal;
pub(crate) mod thread_manage;
pub(crate) mod thread_metadata;
pub(crate) mod thread_open;
pub(crate) mod thread_queue;
pub(crate) mod thread_read;
pub(crate) mod thread_resume;
pub(crate) mod thread_revert;
pub(crate) mod thread_search;
pub(crate) mod turn;
pub(crate) mod vendor;

use crate::router::Route;

/// Every route of the server.
pub(crate) fn routes() -> Vec<Route> {
    [
        account::routes(),
        catalog::routes(),
        command_exec::routes(),
        config::routes(),
        connection::routes(),
        extensions::routes(),
        process::routes(),
        fs::routes(),
        fs_watch::routes(),
        fuzzy_search::routes(),
        skills::routes(),
        thread_archive::routes(),
        thread_goal::routes(),
        thread_manage::routes(),
        thread_metadata::routes(),
        thread_open::routes(),
        thread_queue::routes(),
        thread_read::routes(),
        thread_resume::routes(),
        thread_revert::routes(),
        thread_search::routes(),
        turn::routes(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use loomd_protocol::{METHODS, State};

    use crate::router::routed;

    #[test]
    fn every_implemented_method_has_exactly_one_route_and_no_other_has_one() {
        let routed = routed(&super::routes());
        let unique: BTreeSet<&str> = routed.iter().copied().collect();
        assert_eq!(
            routed.len(),
            unique.len(),
            "a method is routed twice: {routed:?}"
        );
        let implemented: BTreeSet<&str> = METHODS
            .iter()
            .filter(|method| method.state == State::Implemented)
            .map(|method| method.name)
            .collect();
        assert_eq!(unique, implemented);
    }
}
