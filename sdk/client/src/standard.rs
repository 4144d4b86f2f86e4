//! A standard at hand: compiled once, checking any number of records.

use guiju_model::{Bundle, Digest, Ending, Report, StandardId};
use guiju_validator::{CheckOptions, CompileError, CompileOptions, NotCheckable, Validator};
use semver::Version;
use std::sync::Arc;

/// A version of a standard, compiled. Cheap to clone, safe to share between threads.
#[derive(Clone)]
pub struct Standard {
    validator: Arc<Validator>,
    options: CheckOptions,
    ending: Option<Arc<Ending>>,
}

impl Standard {
    pub fn compile(bundle: &Bundle) -> Result<Self, CompileError> {
        let manifest = &bundle.root().manifest;
        NotCheckable::refuse(&manifest.standard, manifest.kind)?;
        Ok(Self::new(Validator::compile(bundle, &CompileOptions::default())?))
    }

    pub fn new(validator: Validator) -> Self {
        Self { validator: Arc::new(validator), options: CheckOptions::default(), ending: None }
    }

    /// The same standard, checking under other options.
    pub fn with_options(mut self, options: CheckOptions) -> Self {
        self.options = options;
        self
    }

    pub fn name(&self) -> &StandardId {
        self.validator.standard()
    }

    pub fn version(&self) -> &Version {
        self.validator.version()
    }

    pub fn digest(&self) -> Digest {
        self.validator.digest()
    }

    /// That the version is deprecated or withdrawn, with what to use instead, as the registry said when the standard was fetched. It changes
    /// no verdict.
    pub fn ending(&self) -> Option<&Ending> {
        self.ending.as_deref()
    }

    /// The same standard, of which that was said.
    #[cfg(feature = "registry")]
    pub(crate) fn that_ends(mut self, ending: Option<Ending>) -> Self {
        self.ending = ending.map(Arc::new);
        self
    }

    pub fn validator(&self) -> &Validator {
        &self.validator
    }

    /// Checks the bytes of one JSON document.
    pub fn check(&self, record: impl AsRef<[u8]>) -> Report {
        self.validator.check(record.as_ref(), &self.options)
    }

    /// Checks a value; places in the report are of its compact spelling.
    pub fn check_value(&self, record: &serde_json::Value) -> Report {
        self.check(record.to_string())
    }

    /// Checks anything that serializes to JSON. `Err` only where it does not.
    pub fn check_serialize(&self, record: &impl serde::Serialize) -> Result<Report, serde_json::Error> {
        Ok(self.check(serde_json::to_vec(record)?))
    }
}
