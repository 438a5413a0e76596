//! Doors for the fuzz targets, which hand made-up bytes to what reads an agent. They are compiled for those only.

pub use crate::claude::fuzz::ClaudeLines;
use crate::pipes::StdinWriter;

/// A writer to anything that takes bytes.
pub fn writer(to: impl tokio::io::AsyncWrite + Unpin + Send + 'static) -> StdinWriter {
    StdinWriter::new(to, crate::tap::Tapped::default())
}
