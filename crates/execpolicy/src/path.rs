//! Programs by their paths.

/// Folders whose programs belong to the system: nobody but an administrator puts one
/// there.
const SYSTEM_FOLDERS: [&str; 8] = [
    "/bin",
    "/sbin",
    "/usr/bin",
    "/usr/sbin",
    "/usr/local/bin",
    "/usr/local/sbin",
    "/opt/homebrew/bin",
    "/run/current-system/sw/bin",
];

/// The last component of a program's path.
pub(crate) fn base_name(program: &str) -> &str {
    program.rsplit('/').next().unwrap_or(program)
}

/// Whether `program` is the path of a program of the system.
pub(crate) fn is_of_the_system(program: &str) -> bool {
    program
        .rsplit_once('/')
        .is_some_and(|(folder, name)| !name.is_empty() && SYSTEM_FOLDERS.contains(&folder))
}
