//! What every command is given: flags over environment over `guiju.toml`, decided once.

use crate::{
    args::Shared,
    failure::Failure,
    settings::Settings,
    terminal::{Lang, Paint},
};
use std::io::{self, BufWriter, StdoutLock, Write};

#[derive(Clone)]
pub struct Context {
    pub shared: Shared,
    pub settings: Settings,
    pub lang: Lang,
    /// For standard output.
    pub paint: Paint,
    /// For standard error.
    pub paint_error: Paint,
}

impl Context {
    pub fn new(shared: Shared) -> Result<Self, Failure> {
        let settings = Settings::read(shared.config.as_deref())?;
        let lang = shared.lang.or(settings.lang).unwrap_or_else(Lang::of_locale);
        let paint = Paint::new(shared.color, &io::stdout());
        let paint_error = Paint::new(shared.color, &io::stderr());
        Ok(Self { lang, paint, paint_error, settings, shared })
    }

    /// Standard output, buffered; whoever writes last flushes, so that a closed pipe is noticed.
    pub fn out(&self) -> BufWriter<StdoutLock<'static>> {
        BufWriter::with_capacity(1 << 16, io::stdout().lock())
    }

    /// One line of progress for people on standard error.
    pub fn say(&self, text: &str) {
        // Nobody listening is no reason to stop.
        let _ = writeln!(io::stderr(), "{text}");
    }
}
