//! Owns how any JSON object is read strictly, field by field, with messages that say which field
//! is wrong. Must not know which fields there are: that is a [`Draft`]'s.

use std::borrow::Cow;
use std::convert::Infallible;
use std::fmt::{self, Display};
use std::str::Utf8Error;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Unexpected, Visitor};

use crate::syntax::Quoted;

/// An object in the making.
pub(super) trait Draft: Default {
    /// What it becomes.
    type Value;

    /// Names that apps give to fields, and what they mean.
    const MEANT: &'static [(&'static str, &'static str)] = &[];

    /// Takes the field `name`, whose value is the next in `map`.
    fn field<'de, A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error>;

    /// Checks what only the whole object shows.
    fn finish(self) -> Result<Self::Value, String>;

    fn unknown<E: Error>(name: &str) -> E {
        match Self::MEANT.iter().find(|(wrong, _)| *wrong == name) {
            Some((_, meant)) => {
                E::custom(format_args!("unknown field {}; did you mean \"{meant}\"?", Quoted(name)))
            }
            None => E::custom(format_args!("unknown field {}", Quoted(name))),
        }
    }
}

/// A field not seen yet, seen as `null`, or seen with its value.
pub(super) type Slot<T> = Option<Option<T>>;

/// Reads the value of the field `name` into its slot: once, and through `convert` unless `null`.
pub(super) fn read<'de, A, V, T, E>(
    slot: &mut Slot<T>,
    name: &str,
    map: &mut A,
    convert: impl FnOnce(V) -> Result<T, E>,
) -> Result<(), A::Error>
where
    A: MapAccess<'de>,
    V: Deserialize<'de>,
    E: Display,
{
    if slot.is_some() {
        return Err(A::Error::custom(format_args!("the field \"{name}\" comes twice")));
    }
    let wrong = |error: &dyn Display| A::Error::custom(format_args!("{name}: {error}"));
    let value: Option<V> = map.next_value().map_err(|error: A::Error| wrong(&error))?;
    *slot = Some(value.map(convert).transpose().map_err(|error| wrong(&error))?);
    Ok(())
}

/// Converts a string by one of the core's parsers.
pub(super) fn parsed<T, E: Display>(
    parse: fn(&[u8]) -> Result<T, E>,
) -> impl FnOnce(Text<'_>) -> Result<T, String> {
    move |Text(text)| parse(text.as_bytes()).map_err(|error| format!("{}: {error}", Quoted(&text)))
}

/// Converts a number that is checked already.
pub(super) fn whole<const MAX: u64, T: TryFrom<u64>>(
    Whole(number): Whole<MAX>,
) -> Result<T, T::Error> {
    T::try_from(number)
}

/// Converts an object that is checked already.
pub(super) fn object<D: Draft>(Object(value): Object<D>) -> Result<D::Value, Infallible> {
    Ok(value)
}

/// A string, borrowed from the JSON where it has no escapes.
#[derive(serde::Deserialize)]
pub(super) struct Text<'a>(#[serde(borrow)] pub(super) Cow<'a, str>);

/// A whole number of at most `MAX`.
pub(super) struct Whole<const MAX: u64>(u64);

impl<'de, const MAX: u64> Deserialize<'de> for Whole<MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_u64(WholeVisitor)
    }
}

struct WholeVisitor<const MAX: u64>;

impl<const MAX: u64> Visitor<'_> for WholeVisitor<MAX> {
    type Value = Whole<MAX>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a whole number from 0 to {MAX}")
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Whole<MAX>, E> {
        if number > MAX {
            return Err(E::invalid_value(Unexpected::Unsigned(number), &self));
        }
        Ok(Whole(number))
    }
}

/// An object, read as a `D`. Unlike a derived one it is never an array.
pub(super) struct Object<D: Draft>(pub(super) D::Value);

impl<'de, D: Draft> Deserialize<'de> for Object<D> {
    fn deserialize<S: Deserializer<'de>>(deserializer: S) -> Result<Self, S::Error> {
        let mut draft = D::default();
        deserializer.deserialize_map(Fields(&mut draft))?;
        draft.finish().map(Object).map_err(S::Error::custom)
    }
}

/// Reads an object into a draft, which may be too large to be handed from function to function.
pub(super) struct Fields<'d, D>(pub(super) &'d mut D);

impl<'de, D: Draft> Visitor<'de> for Fields<'_, D> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(Text(name)) = map.next_key()? {
            self.0.field(&name, &mut map)?;
        }
        Ok(())
    }
}

/// Why an answer is no grant, in words for who writes the app. One line, of bounded length,
/// without control characters, whatever the answer holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrantError(String);

impl From<Utf8Error> for GrantError {
    fn from(error: Utf8Error) -> Self {
        Self(format!("not UTF-8 from byte {} on", error.valid_up_to()))
    }
}

impl From<String> for GrantError {
    fn from(short: String) -> Self {
        Self(short)
    }
}

impl From<serde_json::Error> for GrantError {
    fn from(error: serde_json::Error) -> Self {
        /// Characters kept at the beginning of a message, and at its end.
        const KEPT: usize = 150;

        let message = error.to_string();
        let starts = |(at, _): (usize, char)| at;
        let head = message.char_indices().nth(KEPT).map(starts);
        let tail = message.char_indices().nth_back(KEPT - 1).map(starts);
        match (head, tail) {
            (Some(head), Some(tail)) if head < tail => {
                let (head, tail) = (message.get(..head), message.get(tail..));
                Self([head.unwrap_or_default(), tail.unwrap_or_default()].join("..."))
            }
            _ => Self(message),
        }
    }
}

impl Display for GrantError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for GrantError {}
