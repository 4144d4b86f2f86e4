//! A progress bar on standard error, on a terminal only, and only where there is something to wait for.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::{
    cell::RefCell,
    io::{self, Read, Write},
    rc::Rc,
};

/// Below this a file is read before anyone could look.
const BYTES_WORTH_SHOWING: u64 = 4 << 20;

#[derive(Clone, Default)]
pub struct Progress {
    bar: Rc<RefCell<Option<ProgressBar>>>,
}

impl Progress {
    /// Shows how much of an input has been read; `None`: nobody knows how much there is.
    pub fn reading(&self, name: &str, size: Option<u64>, input: impl Read + Send) -> impl Read + Send {
        let is_wanted = size.is_none_or(|size| size >= BYTES_WORTH_SHOWING);
        let bar = match is_wanted {
            true => ProgressBar::with_draw_target(size, ProgressDrawTarget::stderr()),
            false => ProgressBar::hidden(),
        };
        let template = match size {
            Some(_) => "{msg} {bar:30} {bytes}/{total_bytes} {bytes_per_sec}, {eta} left",
            None => "{msg} {spinner} {bytes} {bytes_per_sec}",
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_message(name.to_owned());
        *self.bar.borrow_mut() = (!bar.is_hidden()).then(|| bar.clone());
        bar.wrap_read(input)
    }

    pub fn done(&self) {
        if let Some(bar) = self.bar.borrow_mut().take() {
            bar.finish_and_clear();
        }
    }

    /// A writer that takes the bar off the screen while it writes.
    pub fn around<W: Write>(&self, out: W) -> impl Write {
        Around { out, progress: self.clone() }
    }
}

struct Around<W> {
    out: W,
    progress: Progress,
}

impl<W: Write> Write for Around<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let bar = self.progress.bar.borrow().clone();
        match bar {
            Some(bar) => bar.suspend(|| self.out.write(bytes)),
            None => self.out.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
