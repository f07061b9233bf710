//! Files of activations that NumPy and xarray wrote, for recordings whose stimulus set has another order than
//! the files' ids, and a stimulus that was never shown.

mod naming;

use std::error::Error;
use std::path::PathBuf;

use burn::tensor::Device;
use image::RgbImage;
use miette::Diagnostic;

use super::*;
use crate::activation::{Cache, CacheConfig, Dtype, Extraction, ensure};
use crate::ann::{AnnError, FEATURES, OpenedAnn, Pruning, Resize, WeightsSource, verify};
use crate::recording::{Layout, Source as RecordingsSource};

fn testdata(name: &str) -> PathBuf {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    sources.join("ann/features/testdata").join(name)
}

/// Recordings of s0 to s3, in the order of `lines`.
fn recordings_of(lines: &[&str]) -> Recordings {
    recordings_with("stimulus_id", lines)
}

/// The same, of a stimulus set with these columns.
fn recordings_with(columns: &str, lines: &[&str]) -> Recordings {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let assembly = sources.join("recording/testdata/newer-h5netcdf.nc");
    recordings_in(assembly, columns, lines)
}

/// The recordings in `assembly`, of a stimulus set with these columns (the id, the image's file if there is one, and
/// more) and lines.
fn recordings_in(assembly: PathBuf, columns: &str, lines: &[&str]) -> Recordings {
    let folder = tempfile::tempdir().expect("a folder");
    let (stimuli, images) = (
        folder.path().join("stimuli.csv"),
        folder.path().join("images"),
    );
    let text = format!("{columns}\n{}\n", lines.join("\n"));
    std::fs::write(&stimuli, text).expect("a CSV");
    std::fs::create_dir(&images).expect("a folder");
    for line in lines {
        let mut fields = line.split(',');
        let id = fields.next().expect("an id");
        let file = fields
            .next()
            .map_or_else(|| format!("{id}.png"), str::to_owned);
        let image = RgbImage::new(2, 3);
        image.save(images.join(file)).expect("an image");
    }
    let source = RecordingsSource::Files {
        assembly,
        stimuli,
        images,
        layout: Layout::documented(),
    };
    Recordings::open(&source, &[]).expect("recordings")
}

fn recordings() -> Recordings {
    recordings_of(&["s3", "s1", "never", "s0", "s2"])
}

/// The activations of a layer of the file `name` for s3, s1, s0 and s2.
fn read(name: &str, layer: &str) -> Result<Vec<f32>, FeaturesError> {
    let recordings = recordings();
    let file = FeaturesFile::open(&testdata(name))?;
    let features = file.of(layer, &recordings)?;
    features.check()?;
    // In parts, and the whole.
    let parts = [features.read(0..1)?, features.read(1..4)?].concat();
    assert_eq!(features.read(0..4)?, parts);
    Ok(parts)
}

/// What make_features.py says of `units` of layer `index`.
fn expected(index: usize, units: &[usize]) -> Vec<f32> {
    let row = |stimulus: usize| {
        units
            .iter()
            .map(move |unit| 1000 * index + 100 * stimulus + unit)
    };
    let rows = [3, 1, 0, 2].into_iter().flat_map(row);
    rows.map(|value| value as f32).collect()
}

fn layers(name: &str) -> String {
    let file = FeaturesFile::open(&testdata(name)).expect("a file");
    let layers = file.layers().into_iter();
    let layers = layers.map(|layer| format!("{} {} {:?}", layer.name, layer.stimuli, layer.shape));
    let left_out = file
        .left_out()
        .iter()
        .map(|(name, why)| format!("{name}: {why}"));
    layers.chain(left_out).collect::<Vec<_>>().join("\n")
}

/// An error, its causes and its help, without the folder.
fn said(error: &dyn Diagnostic) -> String {
    let mut text = error.to_string();
    let mut cause: Option<&dyn Error> = error.source();
    while let Some(of) = cause {
        text.push_str(&format!(": {of}"));
        cause = of.source();
    }
    let help = error.help().map(|help| format!("\n  {help}"));
    let text = text + &help.unwrap_or_default();
    text.replace(&format!("{}/", testdata("").display()), "")
        .replace(&testdata("").display().to_string(), "")
}

fn refused(name: &str, layer: &str) -> String {
    said(&read(name, layer).expect_err("a refusal"))
}

#[test]
fn a_row_of_an_npy_belongs_to_the_line_of_its_number_whatever_its_type() {
    for name in ["single", "half", "double", "big", "whole", "bytes"] {
        let values = read(&format!("{name}.npy"), name).expect(name);
        assert_eq!(values, expected(0, &[0, 1, 2]), "{name}");
    }
    // More axes are flattened by rows, however they are stored.
    for name in ["deep", "fortran"] {
        let values = read(&format!("{name}.npy"), name).expect(name);
        assert_eq!(values, expected(0, &[0, 1, 2, 3, 4, 5]), "{name}");
    }
    // What stands in the row of a stimulus that was never shown does not matter.
    let values = read("unused-nan.npy", "unused-nan").expect("finite where it matters");
    assert_eq!(values, expected(0, &[0, 1, 2]));
    assert_eq!(layers("deep.npy"), "deep 5 [2, 3]");
}

#[test]
fn an_npz_has_its_arrays_as_layers_and_goes_by_its_ids() {
    for name in ["stored.npz", "packed.npz"] {
        let units = [0, 1, 2, 3];
        assert_eq!(
            read(name, "conv1").expect(name),
            expected(1, &units),
            "{name}"
        );
        let relu = read(name, "layer1.0/relu").expect(name);
        assert_eq!(relu, expected(2, &[0, 1, 2]), "{name}");
    }
    assert_eq!(
        read("ids.npz", "fc").expect("bytes as ids"),
        expected(1, &[0, 1, 2])
    );
    // Without ids, rows are lines.
    assert_eq!(
        read("lines.npz", "fc").expect("lines"),
        expected(1, &[0, 1, 2])
    );
    assert_eq!(
        read("lines.npz", "pool").expect("lines"),
        expected(2, &[0, 1])
    );
    insta::assert_snapshot!(layers("packed.npz"), @r#"
    conv1 6 [2, 2]
    layer1.0/relu 6 [3]
    label: it does not hold numbers
    area: it has 1 axis, expected stimuli x units
    basis: it has 3 rows, and there are 6 ids
    "#);
}

#[test]
fn netcdf_has_a_layer_for_each_word_of_layer_or_each_variable() {
    let files = ["extractor.nc", "transposed.nc", "only.nc"];
    for name in files {
        let features_2 = read(name, "features.2").expect(name);
        assert_eq!(features_2, expected(1, &[0, 1, 2, 3]), "{name}");
        let features_7 = read(name, "features.7").expect(name);
        assert_eq!(features_7, expected(2, &[0, 1, 2]), "{name}");
    }
    // Units in the order of the file, wherever they stand.
    let woven = read("woven.nc", "features.2").expect("woven");
    assert_eq!(woven, expected(1, &[0, 1, 2, 3]));
    let woven = read("woven.nc", "features.7").expect("woven");
    assert_eq!(woven, expected(2, &[0, 1, 2]));
    assert_eq!(
        read("plain.nc", "conv1").expect("conv1"),
        expected(1, &[0, 1, 2, 3])
    );
    assert_eq!(read("plain.nc", "fc").expect("fc"), expected(2, &[0, 1, 2]));
    assert_eq!(
        read("classic.nc", "classic").expect("classic"),
        expected(2, &[0, 1, 2])
    );
    let listed = ["extractor.nc", "woven.nc", "plain.nc", "classic.nc"].map(layers);
    insta::assert_snapshot!(listed.join("\n"), @r#"
    features.2 6 [4]
    features.7 6 [3]
    features.7 6 [1, 3]
    features.2 6 [1, 4]
    conv1 6 [2, 2]
    fc 6 [3]
    classic 6 [3]
    "#);
}

#[test]
fn what_cannot_be_used_is_refused_with_what_to_do() {
    let odd = [
        refused("four.npy", "four"),
        refused("four.npy", "for"),
        refused("vector.npy", "vector"),
        refused("words.npy", "words"),
        refused("nan.npy", "nan"),
        refused("large.npy", "large"),
        refused("lacking.npz", "fc"),
        refused("twice.npz", "fc"),
        refused("ids-alone.npz", "area"),
        refused("stored.npz", "label"),
        refused("stored.npz", "basis"),
        refused("unnamed.nc", "features.2"),
        refused("make_features.py", "a"),
        refused("absent.npy", "a"),
    ];
    insta::assert_snapshot!(odd.join("\n"), @r#"
    layer `four` in `four.npy` has 4 rows, and the stimulus set lists 5 stimuli
      row i is of line i of the stimulus set, of stimuli never shown too; or save the ids beside, in any order: `numpy.savez("features.npz", stimulus_id=ids, LAYER=x)`
    layer `for` is not in `four.npy`
      `nrp ann layers features --weights four.npy` lists its layers; did you mean `four`?
    `vector.npy` has no layer: `vector`: it has 1 axis, expected stimuli x units
      a layer is an array of numbers, stimuli x units, or with more axes behind the stimuli
    `words.npy`: it does not hold numbers
      an array of activations is stimuli x units of numbers; save it again
    layer `nan` in `nan.npy` has a value for stimulus `s0` that is not a finite 32-bit number, NaN
      compute the activations again; leave out the units that have none, or divide those that are too large
    layer `large` in `large.npy` has a value for stimulus `s0` that is not a finite 32-bit number, inf
      compute the activations again; leave out the units that have none, or divide those that are too large
    `lacking.npz` lacks 2 of the recordings' 4 stimuli: `s1`, `s2`
      compute their activations too, or check that the file's ids are those of the stimulus set (it has `s0`)
    `twice.npz` has stimulus `s0` twice, in rows 1 and 3
      save one row for each stimulus: average its repetitions, if that is what they are
    `ids-alone.npz` has no layer: `area`: it has 1 axis, expected stimuli x units
      a layer is an array of numbers, stimuli x units, or with more axes behind the stimuli
    `label` in `stored.npz` is not a layer: it does not hold numbers
      `nrp ann layers features --weights stored.npz` lists its layers
    `basis` in `stored.npz` is not a layer: it has 3 rows, and there are 6 ids
      `nrp ann layers features --weights stored.npz` lists its layers
    `unnamed.nc` has no coordinate `stimulus_id` or `image_id`; it has `object_name` (presentation), `neuroid_id` (neuroid), `neuroid_num` (neuroid), `layer` (neuroid), `model` (neuroid), `data` (presentation x neuroid)
      name the stimuli over a dimension: `assign_coords(stimulus_id=("presentation", ids))`; `reset_index` writes the coordinates of a MultiIndex
    `make_features.py` is neither NumPy's nor netCDF: it starts with the text "\"\"\"Makes the fil"
      save activations as `numpy.save("features.npy", x)`, as `numpy.savez("features.npz", stimulus_id=ids, LAYER=x)`, or by xarray's `to_netcdf` with a coordinate `stimulus_id`
    `absent.npy` cannot be read: No such file or directory (os error 2)
      check that the file exists and that you may read it
    "#);
}

#[test]
fn a_truncated_file_is_refused_wherever_it_ends() {
    let folder = tempfile::tempdir().expect("a folder");
    let recordings = recordings();
    for name in [
        "double.npy",
        "fortran.npy",
        "stored.npz",
        "packed.npz",
        "extractor.nc",
        "classic.nc",
    ] {
        let bytes = std::fs::read(testdata(name)).expect("a file");
        let path = folder.path().join(name);
        for length in (0..bytes.len())
            .step_by(bytes.len() / 40 + 1)
            .chain([bytes.len() - 1])
        {
            std::fs::write(&path, &bytes[..length]).expect("written");
            let used = FeaturesFile::open(&path).and_then(|file| {
                let layer = file.layers()[0].name.clone();
                file.of(&layer, &recordings)?.check()
            });
            assert!(used.is_err(), "{name} of {length} bytes");
        }
    }
}

#[test]
fn activations_go_through_the_cache_without_a_look_at_the_images() {
    let recordings = recordings();
    let weights = WeightsSource::File(testdata("stored.npz"));
    let ann = OpenedAnn::open(FEATURES, &weights, "").expect("opens");
    let digest = ann
        .weights_digest(&weights, &mut Default::default())
        .expect("a digest");
    let layers = ["layer1.0/relu", "conv1"].map(str::to_owned);
    let folder = tempfile::tempdir().expect("a folder");
    let config = CacheConfig {
        directory: folder.path().to_owned(),
        dtype: Dtype::F16,
        budget_bytes: None,
    };
    let cache = Cache::open(config).expect("a cache");
    let extraction = Extraction {
        ann: &ann,
        weights: &weights,
        weights_digest: &digest,
        pruning: Pruning::None,
        resize: Resize::default(),
        screen: None,
        recordings: &recordings,
        stimulus_digest: "s",
        layers: &layers,
        also: &[],
    };
    // The images are gone: `recordings` had them in a temporary folder.
    let mut told = Vec::new();
    let cached = ensure(&cache, &extraction, &Device::flex(), &mut |progress| {
        told.push((progress.done, progress.total));
        std::ops::ControlFlow::Continue(())
    });
    let cached = cached.expect("copied");
    assert!(told.is_sorted() && told.last() == Some(&(4, 4)), "{told:?}");
    for (layer, expected) in cached
        .iter()
        .zip([expected(2, &[0, 1, 2]), expected(1, &[0, 1, 2, 3])])
    {
        let mut values = vec![0.0; expected.len()];
        let units = layer.units();
        for (stimulus, row) in values.chunks_exact_mut(units).enumerate() {
            layer.read(stimulus, 0, row).expect("a row");
        }
        // Half has 11 bits: 2301 is between 2300 and 2302.
        let near = values
            .iter()
            .zip(&expected)
            .all(|(value, of)| (value - of).abs() <= 1.0);
        assert!(near && layer.stimuli() == 4, "{values:?}");
    }
}

#[test]
fn only_a_file_of_activations_is_opened_as_features() {
    let file = || WeightsSource::File(testdata("lines.npz"));
    let refused = |weights: WeightsSource, word: &str| {
        said(&OpenedAnn::open(FEATURES, &weights, word).expect_err("a refusal"))
    };
    let part = WeightsSource::Part {
        file: testdata("lines.npz"),
        key: "fc".to_owned(),
    };
    let verified = verify(&testdata("lines.npz"), &Device::flex()).expect_err("no fixture");
    assert!(matches!(
        verified,
        AnnError::Features(FeaturesError::NothingToVerify { .. })
    ));
    let refusals = [
        refused(WeightsSource::Random(1), ""),
        refused(part, ""),
        refused(file(), "torch"),
        refused(file(), "pillow-12"),
        said(&verified),
    ];
    insta::assert_snapshot!(refusals.join("\n"), @r#"
    `random:1` is not a file, and `features` have no weights to draw
      name a `.npy`, `.npz` or `.nc` file of activations
    `weights_key = "fc"` is for PyTorch's files, not files of activations
      leave `weights_key` out, and name the layers in `layer_sets`
    `features` are read as they are: no image is preprocessed as `torch`
      leave `preprocessing`, `resize` and `degrees` out
    `features` are read as they are: no image is preprocessed as `pillow-12`
      leave `preprocessing`, `resize` and `degrees` out
    `lines.npz` holds activations that no ANN computes here: there is nothing to verify
      `nrp ann layers features --weights FILE` shows what the file holds
    "#);
}

/// A `.npz` of `fc`, the activations of s3, s2, s1, s0 and never, beside lists: name, type, entries' bytes.
fn beside(lists: &[(&str, &str, Vec<u8>)]) -> (tempfile::TempDir, PathBuf) {
    use std::io::Write;
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("beside.npz");
    let mut archive = zip::ZipWriter::new(File::create(&path).expect("a file"));
    let fc = [3, 2, 1, 0, 9].map(|stimulus| 1000.0 + 100.0 * stimulus as f32);
    let fc: Vec<u8> = fc.iter().flat_map(|value| value.to_le_bytes()).collect();
    let fc = ("fc", "<f4", fc);
    for (name, descr, bytes) in [&fc].into_iter().chain(lists) {
        let shape = if *name == "fc" { "(5, 1)" } else { "(5,)" };
        let array = npy_of(descr, shape, bytes);
        let options = zip::write::SimpleFileOptions::default()
            .compression_method(zip::CompressionMethod::Stored);
        archive
            .start_file(format!("{name}.npy"), options)
            .expect("an entry");
        archive.write_all(&array).expect("written");
    }
    archive.finish().expect("an archive");
    (folder, path)
}

/// An array as `numpy.save` writes it.
fn npy_of(descr: &str, shape: &str, bytes: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n");
    let mut array = b"\x93NUMPY\x01\x00".to_vec();
    array.extend((header.len() as u16).to_le_bytes());
    array.extend(header.as_bytes());
    array.extend(bytes);
    array
}

fn words(ids: [&str; 5]) -> Vec<u8> {
    ids.iter()
        .flat_map(|id| format!("{id:\0<5}").into_bytes())
        .collect()
}

#[test]
fn what_an_array_holds_instead_of_numbers_is_said() {
    let (folder, path) = beside(&[
        ("complex", "<c8", vec![0; 40]),
        ("long", "<f16", vec![0; 80]),
        ("brain", "<V2", vec![0; 10]),
        ("label", "|S5", vec![b'a'; 25]),
    ]);
    let file = FeaturesFile::open(&path).expect("a file");
    let left_out = file.left_out().iter();
    let left_out: Vec<String> = left_out
        .map(|(name, why)| format!("{name}: {why}"))
        .collect();
    insta::assert_snapshot!(left_out.join("\n"), @r#"
    complex: it holds entries of type `<c8`; float16, float32, float64 and whole numbers are read
    long: it holds entries of type `<f16`; float16, float32, float64 and whole numbers are read
    brain: it holds entries of type `<V2`; float16, float32, float64 and whole numbers are read
    label: it does not hold numbers
    "#);
    drop(folder);
}

/// NumPy 2.4 refuses both: `numpy.load("….npz")["fc"]`.
#[test]
fn a_stored_array_is_as_long_as_its_entry_and_as_its_sum_says() {
    let recordings = recordings();
    let (folder, path) = beside(&[]);
    let sound = std::fs::read(&path).expect("written");
    let shape = |text: &[u8]| {
        sound
            .windows(text.len())
            .position(|at| at == text)
            .expect("there")
    };
    let used = |bytes: &[u8]| {
        std::fs::write(&path, bytes).expect("written");
        let used = FeaturesFile::open(&path).and_then(|file| file.of("fc", &recordings)?.check());
        used.map_err(|error| said(&error).replace(&format!("{}/", folder.path().display()), ""))
    };
    assert_eq!(used(&sound), Ok(()));
    let mut odd = Vec::new();
    for rows in [b'4', b'9'] {
        let mut other = sound.clone();
        other[shape(b"(5, 1)") + 1] = rows;
        odd.push(used(&other).expect_err("another length"));
    }
    let mut flipped = sound.clone();
    // The last row is of `never`, which was not shown.
    flipped[shape(b"(5, 1), }\n") + 10] ^= 1;
    odd.push(used(&flipped).expect_err("another sum"));
    insta::assert_snapshot!(odd.join("\n"), @r#"
    `beside.npz`: array `fc`: it needs 86 bytes, and its entry in the archive has 90
      an array of activations is stimuli x units of numbers; save it again
    `beside.npz`: array `fc`: it needs 106 bytes, and its entry in the archive has 90
      an array of activations is stimuli x units of numbers; save it again
    `beside.npz`: array `fc` is damaged (Invalid checksum)
      an array of activations is stimuli x units of numbers; save it again
    "#);
}

/// A packed array's sum is compared, too.
#[test]
fn a_packed_array_is_as_its_sum_says() {
    let bytes = std::fs::read(testdata("packed.npz")).expect("a file");
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("packed.npz");
    let sum = |bytes: &[u8], at: usize| {
        let mut other = bytes.to_vec();
        // The sum stands in the local header and in the central one, which counts.
        for place in (0..other.len() - 4)
            .filter(|place| other[*place..].starts_with(b"PK\x01\x02"))
            .collect::<Vec<_>>()
        {
            other[place + 16 + at] ^= 1;
        }
        other
    };
    std::fs::write(&path, sum(&bytes, 0)).expect("written");
    let recordings = recordings();
    let used = FeaturesFile::open(&path).and_then(|file| file.of("conv1", &recordings)?.check());
    let text = used.expect_err("another sum").to_string();
    assert!(
        text.contains("cannot be read") || text.contains("is damaged"),
        "{text}"
    );
}

#[test]
fn one_row_in_fortrans_order_has_its_units_in_cs() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("row.npy");
    // NumPy 2.4: `numpy.save(path, numpy.asfortranarray(numpy.arange(6.0).reshape(1, 2, 3)))`.
    let header = "{'descr': '<f8', 'fortran_order': True, 'shape': (1, 2, 3), }\n";
    let mut array = b"\x93NUMPY\x01\x00".to_vec();
    array.extend((header.len() as u16).to_le_bytes());
    array.extend(header.as_bytes());
    array.extend(
        [0.0_f64, 3.0, 1.0, 4.0, 2.0, 5.0]
            .iter()
            .flat_map(|value| value.to_le_bytes()),
    );
    std::fs::write(&path, array).expect("written");
    let (arrays, listed) = Arrays::open_npy(&path).expect("an array");
    let layer = &listed.layers[0];
    assert!(arrays.by_rows(layer).expect("sound").is_none());
    let whole: Vec<f32> = arrays.whole(layer, &[0]).expect("its row");
    assert_eq!(whole, [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
}

#[test]
fn true_and_false_are_no_activations() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("seen.npy");
    std::fs::write(&path, npy_of("|b1", "(5, 1)", &[0, 1, 1, 0, 1])).expect("written");
    let refused = FeaturesFile::open(&path)
        .expect_err("a refusal")
        .to_string();
    let says = "seen.npy`: it holds true and false; `x.astype(\"float32\")` makes numbers of them";
    assert!(refused.ends_with(says), "{refused}");
    let (_folder, path) = beside(&[("seen", "|b1", vec![0, 1, 1, 0, 1])]);
    let file = FeaturesFile::open(&path).expect("a file");
    assert_eq!(file.layers().len(), 1);
    let [(name, why)] = file.left_out() else {
        panic!("{:?}", file.left_out());
    };
    assert_eq!(name, "seen");
    assert!(says.ends_with(why), "{why}");
}
