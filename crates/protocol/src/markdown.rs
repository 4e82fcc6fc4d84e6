//! The tables as a page of documentation.

use crate::methods::{METHODS, MethodSpec, Stability, State};
use crate::notifications::NOTIFICATIONS;
use crate::server_requests::SERVER_REQUESTS;

/// The page `docs/generated/methods.md`: every method, request of the server and
/// notification, with its stability and state.
pub fn methods_markdown() -> String {
    let mut page = String::from(
        "# Methods\n\n\
         Generated from the tables in `crates/protocol`; a test keeps it fresh.\n\n\
         Stability: *stable* methods are open to every client, *experimental* ones to clients \
         with the experimental capability; *wire only* ones are in no schema; *gone* ones were in \
         0.131 and are not in 0.169. State: *implemented* methods are served, *not yet* means that \
         nothing but work is missing, *vendor only* that it is nothing without the vendor's \
         backend.\n\n",
    );
    page.push_str(&summary());
    page.push_str("\n## Requests of the client\n\n| method | stability | state | experimental parts |\n| --- | --- | --- | --- |\n");
    for method in METHODS.iter() {
        page.push_str(&method_row(method));
    }
    page.push_str("\n## Requests of the server\n\n| method | stability |\n| --- | --- |\n");
    for request in SERVER_REQUESTS {
        let stability = stability(request.stability);
        page.push_str(&format!("| `{}` | {stability} |\n", request.name));
    }
    page.push_str("\n## Notifications of the server\n\n| notification | stability | state |\n| --- | --- | --- |\n");
    for row in NOTIFICATIONS.iter() {
        page.push_str(&format!(
            "| `{}` | {} | {} |\n",
            row.name,
            stability(row.stability),
            state(row.state)
        ));
    }
    page
}

fn summary() -> String {
    let count = |state| {
        METHODS
            .iter()
            .filter(|method| method.state == state)
            .count()
    };
    format!(
        "{} methods: {} implemented, {} not yet, {} vendor only.\n",
        METHODS.len(),
        count(State::Implemented),
        count(State::NotYet),
        count(State::VendorOnly)
    )
}

fn method_row(method: &MethodSpec) -> String {
    let parts: Vec<String> = method
        .experimental_fields
        .iter()
        .map(|part| format!("`{part}`"))
        .collect();
    format!(
        "| `{}` | {} | {} | {} |\n",
        method.name,
        stability(method.stability),
        state(method.state),
        parts.join(", ")
    )
}

fn stability(stability: Stability) -> &'static str {
    match stability {
        Stability::Stable => "stable",
        Stability::Experimental => "experimental",
        Stability::WireOnly => "wire only",
        Stability::Extension => "loomd's own",
        Stability::Removed0131 => "gone",
    }
}

fn state(state: State) -> &'static str {
    match state {
        State::Implemented => "implemented",
        State::NotYet => "not yet",
        State::VendorOnly => "vendor only",
    }
}
