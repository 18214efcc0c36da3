//! `${VAR}` in a scalar.
//!
//! Works on parsed scalars, never on the text of the file, so that what a variable holds cannot
//! change the structure of the file. `$$` is a dollar; a dollar before anything else stands for
//! itself, so that secrets such as `a$b` and hashes such as `$2y$10$…` need no escape unless they
//! hold `$$` or `${`.

/// Finds the value of an environment variable.
pub(crate) type Environment<'a> = &'a dyn Fn(&str) -> Result<String, EnvironmentError>;

/// Why a variable has no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EnvironmentError {
    /// It is not set.
    Unset,
    /// Its value is not text.
    NotText,
}

/// The process's environment.
pub(crate) fn process_environment(name: &str) -> Result<String, EnvironmentError> {
    std::env::var(name).map_err(|error| match error {
        std::env::VarError::NotPresent => EnvironmentError::Unset,
        std::env::VarError::NotUnicode(_) => EnvironmentError::NotText,
    })
}

/// Replaces every reference in `text`; `Ok(None)` when there was none.
///
/// Returns every variable that could not be replaced, not just the first.
pub(crate) fn expand(text: &str, environment: Environment<'_>) -> Result<Option<String>, Vec<String>> {
    if !text.contains('$') {
        return Ok(None);
    }
    let mut out = String::with_capacity(text.len());
    let mut problems = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        rest = match from.as_bytes().get(1) {
            Some(b'$') => {
                out.push('$');
                &from[2..]
            }
            Some(b'{') => match from.find('}') {
                Some(end) => {
                    match lookup(&from[2..end], environment) {
                        Ok(value) => out.push_str(&value),
                        Err(problem) => problems.push(problem),
                    }
                    &from[end + 1..]
                }
                None => {
                    problems.push("a ${ is not closed; a literal dollar is written $$".to_owned());
                    ""
                }
            },
            _ => {
                out.push('$');
                &from[1..]
            }
        };
    }
    out.push_str(rest);
    if problems.is_empty() {
        Ok(Some(out))
    } else {
        Err(problems)
    }
}

fn lookup(name: &str, environment: Environment<'_>) -> Result<String, String> {
    let starts_well = name
        .bytes()
        .next()
        .is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_');
    if !starts_well
        || !name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    {
        return Err(format!(
            "${{{name}}} does not name an environment variable (letters, digits and _; no defaults); \
             a literal dollar is written $$"
        ));
    }
    environment(name).map_err(|error| match error {
        EnvironmentError::Unset => format!("the environment variable {name} is not set"),
        EnvironmentError::NotText => format!("the environment variable {name} is not UTF-8 text"),
    })
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn environment(name: &str) -> Result<String, EnvironmentError> {
        match name {
            "A" => Ok("alpha".to_owned()),
            "EMPTY" => Ok(String::new()),
            "TRICKY" => Ok("x: [y, ${A}] $$ # z".to_owned()),
            "BYTES" => Err(EnvironmentError::NotText),
            _ => Err(EnvironmentError::Unset),
        }
    }

    fn expanded(text: &str) -> String {
        expand(text, &environment)
            .unwrap()
            .unwrap_or_else(|| text.to_owned())
    }

    #[test]
    fn variables_are_replaced_and_dollars_escaped() {
        assert_eq!(expanded("plain"), "plain");
        assert_eq!(expanded("${A}"), "alpha");
        assert_eq!(expanded("<${A}-${A}>"), "<alpha-alpha>");
        assert_eq!(expanded("${EMPTY}"), "");
        assert_eq!(expanded("$$"), "$");
        assert_eq!(expanded("$${A}"), "${A}");
        assert_eq!(expanded("$$$${A}$$"), "$${A}$");
    }

    #[test]
    fn a_dollar_before_anything_else_is_a_dollar() {
        assert_eq!(expanded("a$b"), "a$b");
        assert_eq!(expanded("$2y$10$abc"), "$2y$10$abc");
        assert_eq!(expanded("$A"), "$A");
        assert_eq!(expanded("end$"), "end$");
    }

    #[test]
    fn what_a_variable_holds_is_not_expanded_again() {
        assert_eq!(expanded("${TRICKY}"), "x: [y, ${A}] $$ # z");
    }

    #[test]
    fn every_missing_variable_is_named() {
        let problems = expand("${NONE} ${A} ${OTHER} ${BYTES}", &environment).unwrap_err();
        assert_eq!(
            problems,
            [
                "the environment variable NONE is not set",
                "the environment variable OTHER is not set",
                "the environment variable BYTES is not UTF-8 text",
            ]
        );
    }

    #[test]
    fn broken_references_are_refused() {
        for text in [
            "${",
            "${A",
            "x ${A y",
            "${}",
            "${1A}",
            "${A-x}",
            "${A:-default}",
            "${ A }",
        ] {
            assert!(expand(text, &environment).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn doubling_every_dollar_keeps_any_text(text in "\\PC{0,40}") {
            prop_assert_eq!(expanded(&text.replace('$', "$$")), text);
        }

        #[test]
        fn no_text_makes_expansion_panic(text in "[${}Aµ ]{0,20}") {
            let _ = expand(&text, &environment);
        }
    }
}
