//! Compiles the contract with protox, so that no protoc is needed.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=proto/nrp.proto");
    let mut compiler = protox::Compiler::new(["proto"])?;
    compiler.include_source_info(true).include_imports(true);
    compiler.open_file("proto/nrp.proto")?;
    // For reflection: what clients without the file are told of it.
    let out = std::path::PathBuf::from(std::env::var("OUT_DIR")?);
    std::fs::write(out.join("nrp.bin"), compiler.encode_file_descriptor_set())?;
    tonic_prost_build::configure()
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
