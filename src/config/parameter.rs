//! Owns what `name=value` in a directive has in common with the next. Must not know which there are.

use super::directives::once;
use crate::nginx::ConfError;

/// A parameter of a directive, such as `valid=1s`.
pub(super) struct Parameter<'c> {
    text: &'c [u8],
    /// With the equals sign; all of the text where there is none.
    pub(super) name: &'c [u8],
    pub(super) value: &'c [u8],
}

impl<'c> Parameter<'c> {
    pub(super) fn new(text: &'c [u8]) -> Self {
        let end = text.iter().position(|&c| c == b'=').map_or(text.len(), |at| at + 1);
        let (name, value) = text.split_at(end);
        Self { text, name, value }
    }

    /// Puts into `slot` what its value comes to, unless it has something.
    pub(super) fn once<T>(&self, slot: &mut Option<T>, value: T) -> Result<(), ConfError> {
        once(slot, value).map_err(|_| self.given_twice())
    }

    pub(super) fn given_twice(&self) -> ConfError {
        self.wrong("is given twice")
    }

    /// `why` goes on after the parameter.
    pub(super) fn wrong(&self, why: &str) -> ConfError {
        ConfError(format!("\"{}\" {why}", self.text.escape_ascii()))
    }

    pub(super) fn unexpected(&self, expected: &str) -> ConfError {
        unexpected(self.text, expected)
    }
}

/// The argument is none of those that are expected.
pub(super) fn unexpected(argument: &[u8], expected: &str) -> ConfError {
    ConfError(format!("\"{}\": {expected} is expected", argument.escape_ascii()))
}
