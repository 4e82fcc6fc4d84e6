//! Every case, by category.

mod devices;
mod files;
mod hidden;
mod inherited;
mod ipc;
mod links;
mod machine;
mod mounts;
mod namespaces;
mod network;
mod processes;
mod protected;
mod signals;
mod survivors;

use crate::case::Case;

/// Every case with the name of its category.
#[must_use]
pub fn all() -> Vec<(&'static str, Case)> {
    let categories: [(&str, &[Case]); 14] = [
        ("files", files::CASES),
        ("links", links::CASES),
        ("protected", protected::CASES),
        ("hidden", hidden::CASES),
        ("inherited", inherited::CASES),
        ("processes", processes::CASES),
        ("signals", signals::CASES),
        ("survivors", survivors::CASES),
        ("mounts", mounts::CASES),
        ("namespaces", namespaces::CASES),
        ("devices", devices::CASES),
        ("machine", machine::CASES),
        ("ipc", ipc::CASES),
        ("network", network::CASES),
    ];
    let named = |(category, cases): (&'static str, &'static [Case])| {
        cases.iter().map(move |case| (category, *case))
    };
    categories.into_iter().flat_map(named).collect()
}
