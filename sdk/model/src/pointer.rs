//! Names as JSON Pointers write them (RFC 6901, section 3).

use std::borrow::Cow;

/// A name as a token of a pointer.
pub fn escape(name: &str) -> Cow<'_, str> {
    match name.contains(['~', '/']) {
        true => Cow::Owned(name.replace('~', "~0").replace('/', "~1")),
        false => Cow::Borrowed(name),
    }
}

/// The name that a token stands for.
pub fn unescape(token: &str) -> Cow<'_, str> {
    match token.contains('~') {
        true => Cow::Owned(token.replace("~1", "/").replace("~0", "~")),
        false => Cow::Borrowed(token),
    }
}

/// The names on the way down a pointer.
pub fn tokens(pointer: &str) -> impl DoubleEndedIterator<Item = Cow<'_, str>> {
    // What stands before the first slash is nothing.
    let rest = pointer.strip_prefix('/');
    rest.into_iter().flat_map(|rest| rest.split('/')).map(unescape)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_back() {
        for name in ["", "a", "a/b", "~", "~1", "~0/", "m~n"] {
            assert_eq!(unescape(&escape(name)), name);
            assert_eq!(tokens(&format!("/{}/x", escape(name))).collect::<Vec<_>>(), [name, "x"]);
        }
        assert_eq!(escape("a/b~"), "a~1b~0");
        assert_eq!(tokens("").count(), 0);
        assert_eq!(tokens("/").collect::<Vec<_>>(), [""]);
    }
}
