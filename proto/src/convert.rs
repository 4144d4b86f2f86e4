//! The one bridge between wire and model: `TryFrom` in, `From` out.
//!
//! What comes in is parsed once, here; an error names the field as the `.proto` files spell it. What goes out cannot fail.
//!
//! # Limits
//! A bundle that is being received holds at most [`BUNDLE_BYTES_MAX`]; no piece that is sent holds more than [`PIECE_BYTES`].

mod access; // roles and tokens
mod bundle; // a version with all it needs, in parts no larger than a message
mod catalog; // what is registered: versions, standards, hits, submissions
mod report; // what is said of a record

pub use bundle::{BUNDLE_BYTES_MAX, BundleReceiver, PIECE_BYTES, bundle_parts};
pub use catalog::{PackageReceiver, dates, day_or_empty, package_parts, timestamp};
pub use report::reference_date;

use std::{fmt::Display, str::FromStr};

/// A field of a message that could not be taken as what it stands for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {why}")]
pub struct ConvertError {
    /// As the `.proto` files spell it: `files[2].path`.
    pub field: String,
    pub why: String,
}

impl ConvertError {
    pub fn new(field: impl Into<String>, why: impl Display) -> Self {
        Self { field: field.into(), why: why.to_string() }
    }

    /// The same fault, in a message that a field holds.
    pub fn of(self, field: &str) -> Self {
        self.within(field)
    }

    /// The same fault, seen from the message that holds the one it was found in.
    fn within(self, outer: impl Display) -> Self {
        Self { field: format!("{outer}.{}", self.field), why: self.why }
    }
}

/// Parses a text field; an empty one is missing.
pub fn parsed<T: FromStr<Err: Display>>(field: &str, text: &str) -> Result<T, ConvertError> {
    match text {
        "" => Err(ConvertError::new(field, "it is missing")),
        text => text.parse().map_err(|why| ConvertError::new(field, why)),
    }
}

fn required<T>(field: &str, value: Option<T>) -> Result<T, ConvertError> {
    value.ok_or_else(|| ConvertError::new(field, "it is missing"))
}

/// Bridges a closed list of words and its enumeration on the wire. `$unspecified` is no word.
macro_rules! words {
    ($wire:path, $model:ty, { $($variant:ident),+ $(,)? }) => {
        impl From<$model> for $wire {
            fn from(word: $model) -> Self {
                match word { $(<$model>::$variant => Self::$variant),+ }
            }
        }

        impl TryFrom<$wire> for $model {
            type Error = crate::convert::ConvertError;

            fn try_from(word: $wire) -> Result<Self, crate::convert::ConvertError> {
                match word {
                    $(<$wire>::$variant => Ok(Self::$variant),)+
                    <$wire>::Unspecified => Err(crate::convert::ConvertError::new("", "it is not specified")),
                }
            }
        }
    };
}
use words;

/// Reads an enumeration's number, as messages hold it.
fn word<W, M>(field: &str, number: i32) -> Result<M, ConvertError>
where
    W: TryFrom<i32>,
    M: TryFrom<W, Error = ConvertError>,
{
    let unknown = |_| ConvertError::new(field, format!("{number} is none of the values of its enumeration"));
    let word: W = W::try_from(number).map_err(unknown)?;
    M::try_from(word).map_err(|fault| ConvertError::new(field, fault.why))
}
