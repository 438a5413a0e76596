//! A file that an agent waits for: it is busy for exactly as long as a test needs it to be.

use std::fmt;
use std::path::PathBuf;

/// A directive for a prompt, `[[hold FILE]]`: whoever obeys it says its first word, and goes on when it is released.
pub(crate) struct Hold(PathBuf);

impl Hold {
    pub(crate) fn new(file: PathBuf) -> Self {
        assert!(!file.exists(), "{} would hold nobody", file.display());
        Self(file)
    }

    pub(crate) fn release(&self) {
        std::fs::write(&self.0, "").expect("a file");
    }
}

impl fmt::Display for Hold {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "[[hold {}]]", self.0.display())
    }
}
