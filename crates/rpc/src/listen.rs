//! The value of `--listen`.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

/// Where the server takes connections.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Listen {
    /// `stdio://`: one connection on standard input and output.
    #[default]
    Stdio,
    /// `unix://` (the default socket of the home folder) or `unix://PATH` (relative
    /// to the working folder).
    Unix(Option<PathBuf>),
    /// `ws://IP:PORT`; port 0 lets the system choose.
    WebSocket(SocketAddr),
    /// `off`: nowhere.
    Off,
}

/// A `--listen` value that is none; the texts are the reference's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidListen {
    /// Not one of the forms.
    #[error(
        "unsupported --listen URL `{0}`; expected `stdio://`, `unix://`, `unix://PATH`, `ws://IP:PORT`, or `off`"
    )]
    Unsupported(String),
    /// `ws://` without an IP literal and a port behind it.
    #[error("invalid websocket --listen URL `{0}`; expected `ws://IP:PORT`")]
    WebSocket(String),
}

impl FromStr for Listen {
    type Err = InvalidListen;

    fn from_str(url: &str) -> Result<Self, InvalidListen> {
        if let Some(path) = url.strip_prefix("unix://") {
            return Ok(Self::Unix((!path.is_empty()).then(|| path.into())));
        }
        if let Some(address) = url.strip_prefix("ws://") {
            return address
                .parse()
                .map(Self::WebSocket)
                .map_err(|_| InvalidListen::WebSocket(url.to_owned()));
        }
        match url {
            "stdio://" => Ok(Self::Stdio),
            "off" => Ok(Self::Off),
            _ => Err(InvalidListen::Unsupported(url.to_owned())),
        }
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stdio => f.write_str("stdio://"),
            Self::Unix(None) => f.write_str("unix://"),
            Self::Unix(Some(path)) => write!(f, "unix://{}", path.display()),
            Self::WebSocket(address) => write!(f, "ws://{address}"),
            Self::Off => f.write_str("off"),
        }
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn reads_every_form_and_writes_it_back() {
        for url in [
            "stdio://",
            "unix://",
            "unix://a/b.sock",
            "unix:///run/b.sock",
            "ws://127.0.0.1:0",
            "ws://[::1]:80",
            "off",
        ] {
            assert_eq!(url.parse::<Listen>().unwrap().to_string(), url);
        }
        assert_eq!(Listen::default(), Listen::Stdio);
    }

    #[test]
    fn refuses_the_rest_in_the_words_of_the_reference() {
        let mut shown = String::new();
        for url in [
            "",
            "stdio",
            "stdio://x",
            "off://",
            "WS://127.0.0.1:0",
            "unix:",
            "ws://localhost:1",
            "ws://127.0.0.1",
            "ws://127.0.0.1:0/",
            "ws://[::1]",
        ] {
            shown += &format!("{}\n", url.parse::<Listen>().unwrap_err());
        }
        expect![[r#"
            unsupported --listen URL ``; expected `stdio://`, `unix://`, `unix://PATH`, `ws://IP:PORT`, or `off`
            unsupported --listen URL `stdio`; expected `stdio://`, `unix://`, `unix://PATH`, `ws://IP:PORT`, or `off`
            unsupported --listen URL `stdio://x`; expected `stdio://`, `unix://`, `unix://PATH`, `ws://IP:PORT`, or `off`
            unsupported --listen URL `off://`; expected `stdio://`, `unix://`, `unix://PATH`, `ws://IP:PORT`, or `off`
            unsupported --listen URL `WS://127.0.0.1:0`; expected `stdio://`, `unix://`, `unix://PATH`, `ws://IP:PORT`, or `off`
            unsupported --listen URL `unix:`; expected `stdio://`, `unix://`, `unix://PATH`, `ws://IP:PORT`, or `off`
            invalid websocket --listen URL `ws://localhost:1`; expected `ws://IP:PORT`
            invalid websocket --listen URL `ws://127.0.0.1`; expected `ws://IP:PORT`
            invalid websocket --listen URL `ws://127.0.0.1:0/`; expected `ws://IP:PORT`
            invalid websocket --listen URL `ws://[::1]`; expected `ws://IP:PORT`
        "#]]
        .assert_eq(&shown);
    }
}
