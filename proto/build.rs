//! Compiles the contract with protox, so that no protoc is needed.

/// Fields that are numbers of an enum, each with the enum of their words in `src/state.rs`.
const ANSWERS: [(&str, &str); 9] = [
    ("Activity.doing", "Doing"),
    ("Activity.unit", "ProgressUnit"),
    ("Verdict.kind", "Verdict"),
    ("Explanation.why", "Why"),
    ("SweepStatus.state", "SweepState"),
    ("BestRequest.front", "Front"),
    ("TrialsRequest.state", "TrialState"),
    ("Retracted.state", "TrialState"),
    ("TrialRecord.state", "TrialState"),
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=proto/nrp.proto");
    let mut compiler = protox::Compiler::new(["proto"])?;
    compiler.include_source_info(true).include_imports(true);
    compiler.open_file("proto/nrp.proto")?;
    // For reflection: what clients without the file are told of it.
    let out = std::path::PathBuf::from(std::env::var("OUT_DIR")?);
    std::fs::write(out.join("nrp.bin"), compiler.encode_file_descriptor_set())?;
    let mut builder = tonic_prost_build::configure();
    // JSON has words where the wire has numbers.
    for (field, words) in ANSWERS {
        builder = builder.field_attribute(
            format!(".nrp.v1.{field}"),
            format!(
                "#[serde(serialize_with = \"crate::word::serialize::<crate::state::{words}, _>\", \
                 deserialize_with = \"crate::word::deserialize::<crate::state::{words}, _>\")]"
            ),
        );
    }
    builder
        .type_attribute(".nrp.v1", "#[derive(serde::Serialize, serde::Deserialize)]")
        // A journal written before a field was added still reads.
        .message_attribute(".nrp.v1", "#[serde(default)]")
        .type_attribute(
            ".nrp.v1.Outcome.result",
            "#[serde(rename_all = \"snake_case\")]",
        )
        // What a worker's spool calls it.
        .field_attribute(".nrp.v1.LeaseRef.fence", "#[serde(rename = \"epoch\")]")
        // JSON has no NaN, which stands for what is undefined.
        .field_attribute(
            ".nrp.v1.Details.site_error",
            "#[serde(with = \"crate::undefined\")]",
        )
        .field_attribute(
            ".nrp.v1.Details.site_pearson",
            "#[serde(with = \"crate::undefined\")]",
        )
        .field_attribute(
            ".nrp.v1.Details.training_mse",
            "#[serde(with = \"crate::undefined\")]",
        )
        .field_attribute(
            ".nrp.v1.Details.validation_mse",
            "#[serde(with = \"crate::undefined\")]",
        )
        .field_attribute(
            ".nrp.v1.RegionSites.ceilings",
            "#[serde(with = \"crate::undefined\")]",
        )
        .client_mod_attribute("nrp.v1", "#[cfg(feature = \"rpc\")]")
        .server_mod_attribute("nrp.v1", "#[cfg(feature = \"rpc\")]")
        .compile_fds(compiler.file_descriptor_set())?;
    Ok(())
}
