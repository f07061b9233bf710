//! Limits on what is read from files: nothing that a file claims decides alone how much memory it takes.

/// Largest table of responses that is read, in bytes as stored. The largest public assembly (256
/// sites × 148,480 presentations) takes 152 MB; a damaged header may claim anything.
pub const MAX_RESPONSES_BYTES: usize = 4 << 30;

/// Most responses that are read, however few bytes each takes: in memory each takes eight.
pub const MAX_RESPONSES: usize = MAX_RESPONSES_BYTES / 4;

/// Largest image file that is read, unpacked.
pub const MAX_FILE_BYTES: u64 = 64 << 20;

/// Largest width or height of an image that is decoded.
pub const MAX_SIDE_PIXELS: u32 = 8192;

/// How many of many offenders an error names before it only counts the others.
pub const MAX_NAMED: usize = 5;
