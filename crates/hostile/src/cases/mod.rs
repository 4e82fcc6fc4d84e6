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
mod patches;
mod processes;
mod protected;
mod signals;
mod survivors;

use crate::case::Case;

/// Every case that a model's patches make.
#[must_use]
pub fn patches() -> Vec<(&'static str, Case)> {
    named([
        ("patches outside", patches::outside::CASES),
        ("patches by links", patches::links::CASES),
        ("patches of what is protected", patches::protected::CASES),
    ])
}

/// Every case that begins with a patch that the user allows for the session.
#[must_use]
pub fn granted_patches() -> Vec<(&'static str, Case)> {
    named([("patches as granted", patches::granted::CASES)])
}

/// Every case that is a program, with the name of its category.
#[must_use]
pub fn all() -> Vec<(&'static str, Case)> {
    named([
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
    ])
}

fn named<const N: usize>(
    categories: [(&'static str, &'static [Case]); N],
) -> Vec<(&'static str, Case)> {
    let one = |(category, cases): (&'static str, &'static [Case])| {
        cases.iter().map(move |case| (category, *case))
    };
    categories.into_iter().flat_map(one).collect()
}
