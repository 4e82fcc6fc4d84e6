//! Gives up every capability, for good.

use rustix::thread::{
    CapabilitiesSecureBits, CapabilitySet, CapabilitySets, clear_ambient_capability_set,
    remove_capability_from_bounding_set, set_capabilities, set_capabilities_secure_bits,
    set_no_new_privs,
};

use crate::status::Failure;

/// Without this, user 0 would get all capabilities over the namespace back with the
/// next program it runs.
const NO_ROOT: CapabilitiesSecureBits = CapabilitiesSecureBits::NO_ROOT
    .union(CapabilitiesSecureBits::NO_ROOT_LOCKED)
    .union(CapabilitiesSecureBits::NO_SETUID_FIXUP)
    .union(CapabilitiesSecureBits::NO_SETUID_FIXUP_LOCKED)
    .union(CapabilitiesSecureBits::KEEP_CAPS_LOCKED);

/// Gives up what the maker of the namespaces has in them.
pub(super) fn give_up() -> Result<(), Failure> {
    set_capabilities_secure_bits(NO_ROOT).map_err(failed)?;
    clear_ambient_capability_set().map_err(failed)?;
    for capability in CapabilitySet::all() {
        match remove_capability_from_bounding_set(capability) {
            // An older kernel does not know the newer ones.
            Ok(()) | Err(rustix::io::Errno::INVAL) => {}
            Err(error) => return Err(failed(error)),
        }
    }
    have_none()
}

/// Sees to it that there are none, and that no program brings any.
pub(super) fn have_none() -> Result<(), Failure> {
    let none = CapabilitySets {
        effective: CapabilitySet::empty(),
        permitted: CapabilitySet::empty(),
        inheritable: CapabilitySet::empty(),
    };
    set_capabilities(None, none).map_err(failed)?;
    set_no_new_privs(true).map_err(failed)
}

fn failed(error: rustix::io::Errno) -> Failure {
    Failure::new("give up privileges", &error.into())
}
