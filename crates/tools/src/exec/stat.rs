//! What `/proc/PID/stat` says of a process.

use rustix::process::Pid;

/// The fields that somebody needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stat {
    /// Whether it runs: it is no zombie.
    pub(crate) runs: bool,
    /// Its session.
    pub(crate) session: u32,
}

/// Reads them; `None` if there is no such process.
pub(crate) fn of(pid: Pid) -> Option<Stat> {
    parse(&std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

fn parse(stat: &str) -> Option<Stat> {
    // Behind the name in brackets, which may hold anything: state, parent, group, session.
    let mut fields = stat.rsplit_once(") ")?.1.split(' ');
    Some(Stat {
        runs: !matches!(fields.next()?, "Z" | "X"),
        session: fields.nth(2)?.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_look_like_fields() {
        let stat = parse("12 (a) Z 9 9 9) S 1 2 3 0 -1").expect("fields");
        let expected = Stat {
            runs: true,
            session: 3,
        };
        assert_eq!(stat, expected);
        assert!(!parse("12 (a) Z 1 2 3 0 -1").expect("fields").runs);
        assert_eq!(parse("12 (a"), None);
    }
}
