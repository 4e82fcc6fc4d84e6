//! What a model tries with patches, alone and with commands around them.

pub(super) mod granted;
pub(super) mod links;
pub(super) mod outside;
pub(super) mod protected;
