//! `nrp cache`: what the activation cache holds, whether it is intact, and what may be deleted, one file per
//! subcommand; and the flags of the commands that fill the cache. `entry` shows a stored layer.

mod entry;
mod list;
mod prune;
mod verify;

use crate::failure::Ended;
use crate::output::Format;
use crate::place::CACHE_DIR;
use bytesize::ByteSize;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use nrp_worker::activation::{CacheConfig, Dtype};
use std::path::PathBuf;

/// Where activations are kept, in which format, and how much space they may take.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct CacheArguments {
    /// Where activations are kept; all processes of a machine may share it
    #[arg(long, value_name = "DIR", default_value = CACHE_DIR)]
    cache: PathBuf,
    /// The space that activations may take, such as 200GB or 50GiB. The least recently used are deleted first,
    /// never those in use [default: no limit]
    #[arg(long, value_name = "SIZE")]
    cache_size: Option<ByteSize>,
    /// Number format of stored activations. f32 is exact. f16 and bf16 take half the space and round to the
    /// nearest value: f16 by at most 2^-11 of a value from 6e-5 to 65504 (less than 3e-8 below that range,
    /// refused above), bf16 by at most 2^-8
    #[arg(long, value_name = "FORMAT", default_value = Dtype::F32.name(), value_parser = dtype())]
    cache_dtype: Dtype,
}

impl CacheArguments {
    /// The number format of stored activations.
    pub(crate) fn dtype(&self) -> Dtype {
        self.cache_dtype
    }
}

fn dtype() -> impl TypedValueParser<Value = Dtype> {
    PossibleValuesParser::new(Dtype::ALL.map(Dtype::name)).try_map(|name| name.parse::<Dtype>())
}

impl From<CacheArguments> for CacheConfig {
    fn from(arguments: CacheArguments) -> Self {
        Self {
            directory: arguments.cache,
            dtype: arguments.cache_dtype,
            budget_bytes: arguments.cache_size.map(|size| size.as_u64()),
        }
    }
}

/// List, check and delete stored activations
#[derive(clap::Subcommand)]
pub(crate) enum Command {
    List(list::Arguments),
    Verify(verify::Arguments),
    Prune(prune::Arguments),
}

/// The cache that a subcommand is about.
#[derive(Debug, Clone, clap::Args)]
struct Place {
    /// Where activations are kept
    #[arg(long, value_name = "DIR", default_value = CACHE_DIR)]
    cache: PathBuf,
}

pub(crate) fn run(command: Command, format: Format) -> miette::Result<Ended> {
    match command {
        Command::List(arguments) => list::run(arguments, format),
        Command::Verify(arguments) => verify::run(arguments, format),
        Command::Prune(arguments) => prune::run(arguments, format),
    }
}
