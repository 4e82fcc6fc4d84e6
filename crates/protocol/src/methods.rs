//! The table of methods: every request a client can make, with what the wire
//! says about it. Rows stand beside their types, in the file of their area; this
//! file collects them.
//!
//! A row reads
//!
//! ```text
//! "thread/read" Stable Implemented(ThreadRead: ThreadReadParams => ThreadReadResponse) [thread];
//! ```
//!
//! and makes the marker type `ThreadRead`, which implements [`Method`]. A method
//! without types has `NotYet` or `VendorOnly` in the third place. In brackets:
//! `thread` (the params name a thread), `no_params`, `optional_params`; then,
//! after `gated`, what of a stable method needs the experimental capability.

use std::sync::LazyLock;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};

// So that a marker can be named `methods::ThreadRead`.
#[doc(no_inline)]
pub use crate::{
    account::*, command_exec::*, config::*, fs::*, hook::*, initialize::*, mcp::*, memory::*,
    misc::*, model::*, old::*, permission::*, plugin::*, process::*, queue::*, rate_limit::*,
    remote_control::*, search::*, skill::*, thread_act::*, thread_manage::*, thread_open::*,
    thread_read::*, turn::*,
};

/// A method with types. Its implementors are markers and have no values.
pub trait Method {
    /// The name on the wire.
    const NAME: &'static str;
    /// What the client sends.
    type Params: Serialize + DeserializeOwned;
    /// What it gets.
    type Response: Serialize + DeserializeOwned;
    /// The method's row.
    const SPEC: &'static MethodSpec;
}

/// What the wire says about a method.
#[derive(Debug)]
pub struct MethodSpec {
    /// The name on the wire.
    pub name: &'static str,
    /// Who may call it.
    pub stability: Stability,
    /// Whether there is anything to call.
    pub state: State,
    /// Whether a request without params is malformed. False only where the
    /// reference's schema lets params be null.
    pub params_required: bool,
    /// What of a stable method needs the experimental capability, in the order in
    /// which it is looked for: a top-level member of the params, `member.inner`
    /// for a member of such a member, or `type=name` for a variant.
    pub experimental_fields: &'static [&'static str],
    /// Whether the params must have a `threadId`.
    pub thread_param: bool,
    /// Names and schemas of the types; none for methods without types.
    #[cfg(feature = "schema")]
    pub schemas: Option<MethodSchemas>,
}

/// Who may call a method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stability {
    /// Every client.
    Stable,
    /// Clients with the experimental capability.
    Experimental,
    /// Every client, although no schema lists it.
    WireOnly,
    /// Every client: it is loomd's own, and in no schema of the reference.
    Extension,
    /// Nobody: it was in the protocol of 0.131 and is not in that of 0.169.
    Removed0131,
}

/// Whether a method has types here, and why not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It has types and can be routed.
    Implemented,
    /// It could be served without the vendor, but has no types yet.
    NotYet,
    /// It is nothing without the vendor's backend.
    VendorOnly,
}

/// Params of a method that takes none: absent, null or an object, whose members
/// are ignored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct NoParams;

impl Serialize for NoParams {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_unit()
    }
}

impl<'de> Deserialize<'de> for NoParams {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Nothing;
        impl<'de> serde::de::Visitor<'de> for Nothing {
            type Value = NoParams;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("unit")
            }

            fn visit_unit<E>(self) -> Result<NoParams, E> {
                Ok(NoParams)
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(
                self,
                mut map: A,
            ) -> Result<NoParams, A::Error> {
                while map
                    .next_entry::<serde::de::IgnoredAny, serde::de::IgnoredAny>()?
                    .is_some()
                {}
                Ok(NoParams)
            }
        }
        deserializer.deserialize_any(Nothing)
    }
}

/// The schemas of a method's types.
#[cfg(feature = "schema")]
#[derive(Debug, Clone, Copy)]
pub struct MethodSchemas {
    /// Name and schema of the params; none for methods without params.
    pub params: Option<(&'static str, SchemaOf)>,
    /// Name and schema of the response.
    pub response: (&'static str, SchemaOf),
}

/// Makes the schema of a type.
#[cfg(feature = "schema")]
pub type SchemaOf = fn(&mut schemars::SchemaGenerator) -> schemars::Schema;

/// Every method, sorted by name: stable and experimental ones of 0.169.0, those
/// that only the wire knows, and those that were removed.
pub static METHODS: LazyLock<Vec<&'static MethodSpec>> = LazyLock::new(|| {
    let mut methods: Vec<_> = TABLES.iter().flat_map(|table| table.iter()).collect();
    methods.sort_by_key(|method| method.name);
    methods
});

/// The row of a method, or none for a name that never was one.
pub fn lookup(name: &str) -> Option<&'static MethodSpec> {
    METHODS
        .binary_search_by_key(&name, |method| method.name)
        .ok()
        .map(|index| METHODS[index])
}

/// The tables of the areas.
const TABLES: &[&[MethodSpec]] = &[
    crate::account::METHODS,
    crate::command_exec::METHODS,
    crate::config::METHODS,
    crate::elicitation::METHODS,
    crate::environment::METHODS,
    crate::external_agent::METHODS,
    crate::feedback::METHODS,
    crate::fs::METHODS,
    crate::guardian::METHODS,
    crate::hook::METHODS,
    crate::initialize::METHODS,
    crate::mcp::METHODS,
    crate::memory::METHODS,
    crate::misc::METHODS,
    crate::model::METHODS,
    crate::old::METHODS,
    crate::organise::METHODS,
    crate::permission::METHODS,
    crate::plugin::METHODS,
    crate::process::METHODS,
    crate::provider::METHODS,
    crate::queue::METHODS,
    crate::rate_limit::METHODS,
    crate::realtime::METHODS,
    crate::remote_control::METHODS,
    crate::review::METHODS,
    crate::sample::METHODS,
    crate::search::METHODS,
    crate::skill::METHODS,
    crate::thread_act::METHODS,
    crate::thread_manage::METHODS,
    crate::thread_open::METHODS,
    crate::thread_read::METHODS,
    crate::turn::METHODS,
    crate::windows_sandbox::METHODS,
];

/// Finds a row while compiling.
pub(crate) const fn row(table: &'static [MethodSpec], name: &str) -> &'static MethodSpec {
    let mut index = 0;
    while index < table.len() {
        if same(table[index].name, name) {
            return &table[index];
        }
        index += 1;
    }
    panic!("a marker is made by the row that it looks for")
}

/// Whether `flag` is among `flags`.
pub(crate) const fn flagged(flags: &[&str], flag: &str) -> bool {
    let mut index = 0;
    while index < flags.len() {
        if same(flags[index], flag) {
            return true;
        }
        index += 1;
    }
    false
}

const fn same(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    if a.len() != b.len() {
        return false;
    }
    let mut index = 0;
    while index < a.len() {
        if a[index] != b[index] {
            return false;
        }
        index += 1;
    }
    true
}

/// The rows of one area; see the doc of the module `methods`.
macro_rules! methods {
    ($(
        $name:literal $stability:ident
        $state:ident $(($marker:ident: $params:ident => $response:ident))?
        [$($flag:ident)*]
        $(gated $($field:literal),+)?;
    )*) => {
        /// The methods of this area.
        pub(crate) const METHODS: &[$crate::methods::MethodSpec] = &[$(
            $crate::methods::MethodSpec {
                name: $name,
                stability: $crate::methods::Stability::$stability,
                state: $crate::methods::State::$state,
                params_required: !$crate::methods::flagged(&[$(stringify!($flag)),*], "no_params")
                    && !$crate::methods::flagged(&[$(stringify!($flag)),*], "optional_params"),
                experimental_fields: &[$($($field),+)?],
                thread_param: $crate::methods::flagged(&[$(stringify!($flag)),*], "thread"),
                #[cfg(feature = "schema")]
                schemas: $crate::methods::methods!(@schemas $stability $($params $response)?),
            },
        )*];

        $($(
            #[doc = concat!("The method `", $name, "`.")]
            #[derive(Debug, Clone, Copy)]
            pub enum $marker {}

            impl $crate::methods::Method for $marker {
                const NAME: &'static str = $name;
                type Params = $params;
                type Response = $response;
                const SPEC: &'static $crate::methods::MethodSpec =
                    $crate::methods::row(METHODS, $name);
            }
        )?)*
    };
    (@schemas $stability:ident) => { None };
    // No schema lists it, so none may be made of it.
    (@schemas WireOnly $params:ident $response:ident) => { None };
    (@schemas Extension $params:ident $response:ident) => { None };
    (@schemas Removed0131 $params:ident $response:ident) => { None };
    (@schemas $stability:ident NoParams $response:ident) => {
        Some($crate::methods::MethodSchemas {
            params: None,
            response: (stringify!($response), |schemas| schemas.subschema_for::<$response>()),
        })
    };
    (@schemas $stability:ident $params:ident $response:ident) => {
        Some($crate::methods::MethodSchemas {
            params: Some((stringify!($params), |schemas| schemas.subschema_for::<$params>())),
            response: (stringify!($response), |schemas| schemas.subschema_for::<$response>()),
        })
    };
}
pub(crate) use methods;
