//! Pages of short lists. A cursor is the decimal offset of the page's first entry,
//! as in the reference, so a client may make one up.

use crate::errors::{ApiError, ApiResult};

/// One page of a list.
#[derive(Debug, PartialEq)]
pub(crate) struct Page<T> {
    pub(crate) data: Vec<T>,
    pub(crate) next_cursor: Option<String>,
}

/// The page of `all` that begins at `cursor`. Without a limit it has all the rest;
/// a limit of 0 counts as 1. `what` names the entries in the error.
pub(crate) fn page<T>(
    all: Vec<T>,
    cursor: Option<&str>,
    limit: Option<u32>,
    what: &str,
) -> ApiResult<Page<T>> {
    let total = all.len();
    let start = match cursor {
        None => 0,
        Some(cursor) => cursor
            .parse::<usize>()
            .map_err(|_| ApiError::invalid(format!("invalid cursor: {cursor}")))?,
    };
    if start > total {
        return Err(ApiError::invalid(format!(
            "cursor {start} exceeds total {what} {total}"
        )));
    }
    let limit = limit.map_or(total, |limit| {
        usize::try_from(limit.max(1)).unwrap_or(usize::MAX)
    });
    let end = start.saturating_add(limit).min(total);
    Ok(Page {
        data: all.into_iter().take(end).skip(start).collect(),
        next_cursor: (end < total).then(|| end.to_string()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letters(
        cursor: Option<&str>,
        limit: Option<u32>,
    ) -> Result<(String, Option<String>), String> {
        page(vec!['a', 'b', 'c'], cursor, limit, "letters")
            .map(|page| (page.data.into_iter().collect(), page.next_cursor))
            .map_err(|error| error.into_rpc().message)
    }

    fn ok(data: &str, next: Option<&str>) -> Result<(String, Option<String>), String> {
        Ok((data.to_owned(), next.map(str::to_owned)))
    }

    #[test]
    fn pages_join_up_to_the_whole_list() {
        assert_eq!(letters(None, None), ok("abc", None));
        assert_eq!(letters(None, Some(2)), ok("ab", Some("2")));
        assert_eq!(letters(Some("2"), Some(2)), ok("c", None));
        assert_eq!(letters(Some("3"), Some(2)), ok("", None));
        assert_eq!(letters(Some("0"), Some(u32::MAX)), ok("abc", None));
    }

    #[test]
    fn a_limit_of_zero_is_one() {
        assert_eq!(letters(None, Some(0)), ok("a", Some("1")));
    }

    #[test]
    fn a_cursor_that_is_no_offset_is_refused_as_by_the_reference() {
        assert_eq!(
            letters(Some("zz"), None),
            Err("invalid cursor: zz".to_owned())
        );
        assert_eq!(
            letters(Some("-1"), None),
            Err("invalid cursor: -1".to_owned())
        );
        assert_eq!(
            letters(Some("4"), None),
            Err("cursor 4 exceeds total letters 3".to_owned())
        );
    }
}
