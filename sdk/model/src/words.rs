//! Closed lists of words. Each has one spelling, used in files, on the wire and on screen.

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` is not a {what}; use one of {choices}")]
pub struct WordError {
    given: String,
    what: &'static str,
    choices: String,
}

impl WordError {
    pub(crate) fn new(given: &str, what: &'static str, choices: &[&str]) -> Self {
        Self { given: given.into(), what, choices: choices.join(", ") }
    }
}

macro_rules! words {
    ($(#[$doc:meta])* $name:ident, $what:literal, { $($(#[$variant_doc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        pub enum $name { $($(#[$variant_doc])* #[serde(rename = $word)] $variant),+ }

        impl $name {
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::WordError;

            fn from_str(text: &str) -> Result<Self, $crate::WordError> {
                match text {
                    $($word => Ok(Self::$variant),)+
                    _ => Err($crate::WordError::new(text, $what, &[$($word),+])),
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }
    };
}

pub(crate) use words;

words!(
    /// What sort of thing is registered.
    Kind, "kind of standard", {
        /// The shape of a record: one JSON Schema document, `schema.json`.
        Record = "record",
        /// Permissible values: `codes.csv`.
        CodeList = "code-list",
        /// A dictionary of data elements that other standards refer to: `schema.json` with `$defs`.
        Elements = "elements",
        /// Protobuf files or an OpenAPI document.
        Contract = "contract",
        /// A record that narrows another namespace's record: `schema.json` with `x-guiju.profileOf`.
        Profile = "profile",
    }
);

words!(
    /// Where a version is in its life.
    Status, "status", {
        Draft = "draft",
        Review = "review",
        Approved = "approved",
        Published = "published",
        Deprecated = "deprecated",
        Withdrawn = "withdrawn",
    }
);

words!(
    /// How much a finding matters. Only errors make a record fail.
    Severity, "severity", { Error = "error", Warning = "warning", Info = "info" }
);

words!(
    /// Quality dimension as in GB/T 36344-2018, clause 5.
    Dimension, "quality dimension", {
        /// 规范性
        Normativity = "normativity",
        /// 完整性
        Completeness = "completeness",
        /// 准确性
        Accuracy = "accuracy",
        /// 一致性
        Consistency = "consistency",
        /// 时效性
        Timeliness = "timeliness",
        /// 可访问性
        Accessibility = "accessibility",
    }
);

words!(
    /// How widely a resource may be shared (State Council 2016 no. 51).
    ShareClass, "share class", { Unconditional = "1", Conditional = "2", NotShared = "3" }
);

words!(
    /// S1 open, S2 government-internal, S3 personal or confidential, S4 sensitive personal.
    SecurityLevel, "security level", { S1 = "S1", S2 = "S2", S3 = "S3", S4 = "S4" }
);

words!(
    /// Where a search found its words, best first.
    MatchedIn, "place to match", { Name = "name", Title = "title", DataElement = "data-element", Text = "text" }
);

impl Dimension {
    /// The Chinese word of the standard.
    pub fn zh(self) -> &'static str {
        match self {
            Self::Normativity => "规范性",
            Self::Completeness => "完整性",
            Self::Accuracy => "准确性",
            Self::Consistency => "一致性",
            Self::Timeliness => "时效性",
            Self::Accessibility => "可访问性",
        }
    }
}
