//! The functions of a rules file.

use super::FileRules;
use super::parser::{Kind, Value};
use crate::error::{Fault, Span};
use crate::rule::{Decision, NetworkProtocol, NetworkRule, PrefixRule, Token};

pub(super) const FUNCTIONS: [&str; 3] = ["prefix_rule", "network_rule", "host_executable"];

/// A call as it was written.
pub(super) struct Call {
    pub(super) name: String,
    pub(super) span: Span,
    pub(super) positional: Vec<Value>,
    pub(super) named: Vec<(String, Span, Value)>,
}

/// A command that a rule says it matches, or does not.
pub(super) struct Example {
    /// The index of its rule.
    rule: usize,
    command: Vec<String>,
    span: Span,
    matches: bool,
}

impl Call {
    pub(super) fn name_argument(
        &mut self,
        name: String,
        span: Span,
        value: Value,
    ) -> Result<(), Fault> {
        if self.named.iter().any(|(known, _, _)| *known == name) {
            let message = format!("expected each argument once, found `{name}` again");
            return Err(Fault { span, message });
        }
        self.named.push((name, span, value));
        Ok(())
    }

    /// The arguments in the order of `names`.
    fn take<const N: usize>(self, names: [&str; N]) -> Result<Arguments<N>, Fault> {
        let mut values = [const { None }; N];
        for (index, value) in self.positional.into_iter().enumerate() {
            let span = value.span;
            let Some(place) = values.get_mut(index) else {
                let message = format!("expected at most {N} arguments of `{}`", self.name);
                return Err(Fault { span, message });
            };
            *place = Some(value);
        }
        for (name, span, value) in self.named {
            let Some(index) = names.iter().position(|known| *known == name) else {
                let message = format!(
                    "expected an argument of `{}` ({}), found `{name}`",
                    self.name,
                    names.join(", ")
                );
                return Err(Fault { span, message });
            };
            if values[index].is_some() {
                let message = format!("expected each argument once, found `{name}` again");
                return Err(Fault { span, message });
            }
            values[index] = Some(value);
        }
        Ok(Arguments {
            function: self.name,
            span: self.span,
            names: names.map(str::to_owned),
            values,
        })
    }
}

struct Arguments<const N: usize> {
    function: String,
    span: Span,
    names: [String; N],
    values: [Option<Value>; N],
}

impl<const N: usize> Arguments<N> {
    fn optional(&mut self, index: usize) -> Option<Value> {
        self.values[index].take()
    }

    fn required(&mut self, index: usize) -> Result<Value, Fault> {
        self.optional(index).ok_or_else(|| Fault {
            span: self.span,
            message: format!(
                "expected the argument `{}` of `{}`",
                self.names[index], self.function
            ),
        })
    }

    fn text(&mut self, index: usize) -> Result<(String, Span), Fault> {
        let value = self.required(index)?;
        let span = value.span;
        Ok((text(value, &format!("`{}`", self.names[index]))?, span))
    }

    fn justification(&mut self, index: usize) -> Result<Option<String>, Fault> {
        let Some(value) = self.optional(index) else {
            return Ok(None);
        };
        let span = value.span;
        let text = text(value, "`justification`")?;
        if text.trim().is_empty() {
            return Err(fault(
                span,
                "expected a reason in `justification`, found none",
            ));
        }
        Ok(Some(text))
    }
}

/// Performs a call on `rules`. Examples are put off until the file is read.
pub(super) fn run(
    call: Call,
    rules: &mut FileRules,
    examples: &mut Vec<Example>,
) -> Result<(), Fault> {
    match call.name.as_str() {
        "prefix_rule" => prefix_rule(call, rules, examples),
        "network_rule" => network_rule(call, rules),
        _ => host_executable(call, rules),
    }
}

fn prefix_rule(
    call: Call,
    rules: &mut FileRules,
    examples: &mut Vec<Example>,
) -> Result<(), Fault> {
    let position = call.span.start;
    let mut arguments =
        call.take(["pattern", "decision", "match", "not_match", "justification"])?;
    let pattern = pattern(arguments.required(0)?)?;
    let decision = match arguments.optional(1) {
        Some(value) => {
            let span = value.span;
            decision(&text(value, "`decision`")?, span)?
        }
        None => Decision::Allow,
    };
    let rule = rules.prefix_rules.len();
    let mut own = Vec::new();
    for (index, matches) in [(2, true), (3, false)] {
        let Some(value) = arguments.optional(index) else {
            continue;
        };
        for value in list(value, "examples")? {
            own.push(Example {
                rule,
                span: value.span,
                command: example(value)?,
                matches,
            });
        }
    }
    let justification = arguments.justification(4)?;
    examples.append(&mut own);
    rules.prefix_rules.push(PrefixRule {
        pattern,
        decision,
        justification,
        position,
    });
    Ok(())
}

fn network_rule(call: Call, rules: &mut FileRules) -> Result<(), Fault> {
    let position = call.span.start;
    let mut arguments = call.take(["host", "protocol", "decision", "justification"])?;
    let (host, span) = arguments.text(0)?;
    let host = host_name(&host).map_err(|message| fault(span, message))?;
    let (protocol, span) = arguments.text(1)?;
    let protocol = match protocol.as_str() {
        "http" => NetworkProtocol::Http,
        "https" | "https_connect" | "http-connect" => NetworkProtocol::Https,
        "socks5_tcp" => NetworkProtocol::Socks5Tcp,
        "socks5_udp" => NetworkProtocol::Socks5Udp,
        other => {
            let message =
                format!("expected http, https, socks5_tcp or socks5_udp, found {other:?}");
            return Err(fault(span, message));
        }
    };
    let (word, span) = arguments.text(2)?;
    let decision = match word.as_str() {
        "deny" => Decision::Forbidden,
        other => decision(other, span)?,
    };
    rules.network_rules.push(NetworkRule {
        host,
        protocol,
        decision,
        justification: arguments.justification(3)?,
        position,
    });
    Ok(())
}

fn host_executable(call: Call, rules: &mut FileRules) -> Result<(), Fault> {
    let mut arguments = call.take(["name", "paths"])?;
    let (name, span) = arguments.text(0)?;
    if name.is_empty() || name.contains('/') {
        let message = format!("expected the name of a program without a folder, found {name:?}");
        return Err(fault(span, message));
    }
    let mut paths = Vec::new();
    for value in list(arguments.required(1)?, "paths")? {
        let span = value.span;
        let path = text(value, "a path")?;
        let is_named = path
            .rsplit_once('/')
            .is_some_and(|(_, base)| path.starts_with('/') && base == name);
        if !is_named {
            let message =
                format!("expected an absolute path that ends in {name:?}, found {path:?}");
            return Err(fault(span, message));
        }
        paths.push(path);
    }
    rules.hosts.define(name, paths);
    Ok(())
}

/// Whether every example of the file is true. An example is met by its own rule alone,
/// and by a path as by the name of its program.
pub(super) fn check_examples(rules: &FileRules, examples: &[Example]) -> Result<(), Fault> {
    for example in examples {
        let met = rules
            .prefix_rules
            .get(example.rule)
            .is_some_and(|rule| rule.meets(&example.command, &rules.hosts).is_some());
        if met != example.matches {
            let shown = shlex::try_join(example.command.iter().map(String::as_str))
                .unwrap_or_else(|_| example.command.join(" "));
            let expected = if example.matches {
                "expected the rule to match its example"
            } else {
                "expected the rule not to match its counterexample"
            };
            return Err(fault(example.span, format!("{expected} `{shown}`")));
        }
    }
    Ok(())
}

fn fault(span: Span, message: impl Into<String>) -> Fault {
    Fault {
        span,
        message: message.into(),
    }
}

fn text(value: Value, what: &str) -> Result<String, Fault> {
    match value.kind {
        Kind::Text(text) => Ok(text),
        other @ (Kind::List(_) | Kind::Number | Kind::Truth | Kind::None) => Err(fault(
            value.span,
            format!("expected a string for {what}, found {}", other.name()),
        )),
    }
}

fn list(value: Value, what: &str) -> Result<Vec<Value>, Fault> {
    match value.kind {
        Kind::List(values) => Ok(values),
        other @ (Kind::Text(_) | Kind::Number | Kind::Truth | Kind::None) => Err(fault(
            value.span,
            format!("expected a list of {what}, found {}", other.name()),
        )),
    }
}

fn decision(word: &str, span: Span) -> Result<Decision, Fault> {
    [Decision::Allow, Decision::Prompt, Decision::Forbidden]
        .into_iter()
        .find(|decision| decision.as_str() == word)
        .ok_or_else(|| {
            let message = format!("expected allow, prompt or forbidden, found {word:?}");
            fault(span, message)
        })
}

fn pattern(value: Value) -> Result<Vec<Token>, Fault> {
    let span = value.span;
    let mut tokens = Vec::new();
    for value in list(value, "words for `pattern`")? {
        let span = value.span;
        let words = match value.kind {
            Kind::List(values) => {
                let words: Result<Vec<String>, Fault> = values
                    .into_iter()
                    .map(|value| text(value, "an alternative"))
                    .collect();
                words?
            }
            Kind::Text(_) | Kind::Number | Kind::Truth | Kind::None => {
                vec![text(value, "a word of the pattern, or a list of them")?]
            }
        };
        if words.is_empty() {
            return Err(fault(span, "expected at least one alternative"));
        }
        tokens.push(Token(words));
    }
    if tokens.is_empty() {
        return Err(fault(span, "expected at least one word in `pattern`"));
    }
    Ok(tokens)
}

fn example(value: Value) -> Result<Vec<String>, Fault> {
    let span = value.span;
    let words = match value.kind {
        Kind::List(values) => values
            .into_iter()
            .map(|value| text(value, "a word of an example"))
            .collect::<Result<Vec<String>, Fault>>()?,
        Kind::Text(_) | Kind::Number | Kind::Truth | Kind::None => {
            let line = text(value, "an example, or a list of its words")?;
            shlex::split(&line).ok_or_else(|| {
                fault(
                    span,
                    format!("expected a command line as an example, found {line:?}"),
                )
            })?
        }
    };
    if words.is_empty() {
        return Err(fault(span, "expected at least one word in an example"));
    }
    Ok(words)
}

/// The host in lower case, without port, brackets and a dot at the end.
fn host_name(written: &str) -> Result<String, String> {
    let refused = |what: &str| Err(format!("expected {what}, found {written:?}"));
    if written.contains(char::is_whitespace) {
        return refused("a host without blanks");
    }
    if written.contains('*') {
        return refused("one host, without `*`");
    }
    if written.contains('/') {
        return refused("a host without scheme and path");
    }
    let host = match written.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => match written.split_once(':') {
            Some((host, port)) if !port.contains(':') => host,
            _ => written,
        },
    };
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    if host.is_empty() {
        return refused("a host");
    }
    Ok(host)
}
