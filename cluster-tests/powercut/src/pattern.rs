//! Patterns over paths: which files and directories a fault concerns.

/// A compiled pattern. `?` stands for one character and `*` for any number of them within one
/// component; `**` for anything; `**/` also for nothing, so that `**/x` matches `x` at the root.
#[derive(Clone, Debug)]
pub(crate) struct Pattern {
    tokens: Vec<Token>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Token {
    Literal(char),
    OneInComponent,
    ManyInComponent,
    Many,
    /// Nothing, or anything that ends with a slash.
    Folders,
}

impl Pattern {
    pub(crate) fn new(text: &str) -> Self {
        let mut tokens = Vec::new();
        let mut rest = text.chars().peekable();
        while let Some(next) = rest.next() {
            let token = match next {
                '?' => Token::OneInComponent,
                '*' if rest.next_if_eq(&'*').is_none() => Token::ManyInComponent,
                '*' if rest.next_if_eq(&'/').is_some() => Token::Folders,
                '*' => Token::Many,
                literal => Token::Literal(literal),
            };
            tokens.push(token);
        }
        Self { tokens }
    }

    /// Whether the whole path matches.
    pub(crate) fn matches(&self, path: &str) -> bool {
        matches(&self.tokens, path)
    }
}

fn matches(tokens: &[Token], path: &str) -> bool {
    let Some((token, rest)) = tokens.split_first() else {
        return path.is_empty();
    };
    match token {
        Token::Literal(literal) => path
            .strip_prefix(*literal)
            .is_some_and(|path| matches(rest, path)),
        Token::OneInComponent => path
            .strip_prefix(|first| first != '/')
            .is_some_and(|path| matches(rest, path)),
        Token::ManyInComponent => tails(path, path.find('/')).any(|path| matches(rest, path)),
        Token::Many => tails(path, None).any(|path| matches(rest, path)),
        Token::Folders => {
            matches(rest, path)
                || path
                    .match_indices('/')
                    .any(|(at, _)| matches(rest, &path[at + 1..]))
        }
    }
}

/// What is left of `path` after each number of characters, up to the byte `end`.
fn tails(path: &str, end: Option<usize>) -> impl Iterator<Item = &str> {
    let end = end.unwrap_or(path.len());
    path.char_indices()
        .map(|(at, _)| at)
        .chain([path.len()])
        .filter(move |at| *at <= end)
        .map(|at| &path[at..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, matching: &[&str], others: &[&str]) {
        let compiled = Pattern::new(pattern);
        for path in matching {
            assert!(compiled.matches(path), "{pattern} must match {path:?}");
        }
        for path in others {
            assert!(!compiled.matches(path), "{pattern} must not match {path:?}");
        }
    }

    #[test]
    fn a_literal_matches_itself_alone() {
        check("a/b.log", &["a/b.log"], &["a/b.logs", "a/b", "", "xa/b.log"]);
        check("", &[""], &["a"]);
    }

    #[test]
    fn one_star_stays_within_a_component() {
        check(
            "log/*.sst",
            &["log/1.sst", "log/.sst"],
            &["log/a/1.sst", "1.sst", "log/1.sst.tmp"],
        );
        check("*", &["", "a", "ab"], &["a/b"]);
        check("a?c", &["abc", "aéc"], &["ac", "a/c", "abbc"]);
    }

    #[test]
    fn two_stars_cross_components() {
        check("**", &["", "a", "a/b/c"], &[]);
        check("a/**", &["a/", "a/b", "a/b/c"], &["a", "b/a/c"]);
        check(
            "**/*.log",
            &["x.log", "a/x.log", "a/b/x.log"],
            &["x.logs", "a/x.log/y"],
        );
        check("a/**/z", &["a/z", "a/b/z", "a/b/c/z"], &["a/bz", "z"]);
        check("**.tmp", &["a.tmp", "a/b.tmp"], &["a.tmp/b"]);
    }
}
