//! The id of this installation: one random UUID in a file, made at the first start.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;

use loomd_base::IdSource;

const FILE: &str = "installation_id";
/// A UUID written with hyphens.
const UUID_LENGTH: usize = 36;

/// The id of the installation in `home`, made and written if there is none.
///
/// # Errors
/// The file can be neither read nor written. A file that holds no UUID is replaced.
pub fn installation_id(home: &Path, ids: &dyn IdSource) -> io::Result<String> {
    let path = home.join(FILE);
    match fs::read_to_string(&path) {
        Ok(text) if is_uuid(text.trim()) => return Ok(text.trim().to_owned()),
        Ok(_) => {
            let id = ids.v4().to_string();
            loomd_base::replace(&path, &id, loomd_base::Care::PLAIN)?;
            return Ok(id);
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    fs::create_dir_all(home)?;
    let id = ids.v4().to_string();
    match OpenOptions::new().write(true).create_new(true).open(&path) {
        Ok(mut file) => {
            file.write_all(id.as_bytes())?;
            Ok(id)
        }
        // Another process was quicker; its id counts.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            fs::read_to_string(&path).map(|text| text.trim().to_owned())
        }
        Err(error) => Err(error),
    }
}

fn is_uuid(text: &str) -> bool {
    text.len() == UUID_LENGTH
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_home::TestHome;
    use loomd_base::CountedIds;

    #[test]
    fn the_id_is_made_once() {
        let home = TestHome::new();
        let ids = CountedIds::default();
        let first = installation_id(&home.path("home"), &ids).expect("it can be written");
        assert_eq!(
            installation_id(&home.path("home"), &ids).ok(),
            Some(first.clone())
        );
        assert_eq!(home.read("home/installation_id"), first);
    }

    #[test]
    fn a_file_without_an_id_gets_one() {
        let home = TestHome::new();
        home.write("home/installation_id", "rubbish");
        let id =
            installation_id(&home.path("home"), &CountedIds::default()).expect("it is replaced");
        assert_eq!(home.read("home/installation_id"), id);
    }
}
