//! Compile a data standard once, check many records.
//!
//! # Invariants
//! - Deterministic: the same bytes, standard and options give the same report, byte for byte. No clock is read; "today" is
//!   `CheckOptions::reference_date`.
//! - Nothing is fetched: a reference leads into the document or to a registered standard in the bundle.
//! - Any record gets a report, any schema a validator or its faults; neither panics, hangs or grows without bound.
//!
//! ```
//! use guiju_validator::{CheckOptions, CompileOptions, Validator};
//! let schema = br#"{"type": "object", "required": ["name"]}"#;
//! let validator = Validator::compile_schema(schema, &CompileOptions::default())?;
//! let report = validator.check(br#"{"nmae": "Li"}"#, &CheckOptions::default());
//! assert_eq!(report.findings[0].code, "required-missing");
//! # Ok::<(), guiju_validator::CompileError>(())
//! ```

mod bounds; // what a schema may cost
mod compile; // from a bundle to a validator
mod decimal; // numbers compared exactly
mod examples; // a standard's examples, held against what they announce
mod explain; // from what the engine says to findings
mod json; // a record read strictly, with places
mod limits; // minimum, maximum and the exclusive ones, exact
mod lint; // what an author should mend
mod multiple; // multipleOf, exact
mod nearest; // the nearest fault, where not all can be told
mod needed; // what of other standards is compiled
mod own; // our vocabulary where it stands in a schema
mod pattern; // regular expressions in linear time
mod plain; // schemas that need no second look
mod plan; // what to look for beside the engine's verdict
mod program; // a standard as a program that reads a record once
mod run; // one record through all that
mod survey; // every schema of a bundle, and the ways between them

pub mod codes; // what findings mean, as data
pub mod dataset; // what must hold between records
pub mod formats; // identifiers
pub mod membership; // is a value in its code list?
pub mod near; // the word that was probably meant
pub mod notation; // the length of a field as Chinese standards write it
pub mod openapi; // contracts that are OpenAPI documents
pub mod record; // how rules see a record
pub mod rules; // what must hold between fields

pub use compile::{CompileError, CompileOptions, Fault, NotCheckable};
pub use examples::{ExampleFault, judge_examples, render_findings};
pub use lint::{Lint, LintRule, PLACEHOLDERS, lint, rules as lint_rules};
pub use program::{ABREAST, Cut, LineEnds};
pub use run::{CheckOptions, Checker, Field, Members, Quick, RowShape, Validator};
