//! Lists that name the stimuli of a file's rows, or may do so.

use super::*;

#[test]
fn a_list_of_the_stimulis_ids_counts_whatever_its_name() {
    let ids = || words(["s3", "s2", "s1", "s0", "never"]);
    let labels = || words(["cat", "cat", "dog", "dog", "dog"]);
    let recordings = recordings();
    for name in ["stimuli", "Stimulus_ID", "IDs"] {
        let (_folder, path) = beside(&[("label", "|S5", labels()), (name, "|S5", ids())]);
        let file = FeaturesFile::open(&path).expect("a file");
        let features = file.of("fc", &recordings).expect(name);
        // By line, the second and the fourth were those of s2 and s0.
        let values = features.read(0..4).expect("values");
        assert_eq!(values, expected(1, &[0]), "{name}");
        let notices = file.notices(&["fc".to_owned()], &recordings);
        let notices = notices.expect("notices").join("\n");
        let is_said = notices.contains("array `stimuli` is taken as the stimuli's ids");
        assert_eq!(is_said, name == "stimuli", "{notices}");
        assert!(notices.contains("left out `label` (it does not hold numbers)"));
    }
}

#[test]
fn a_list_names_rows_by_files_and_by_columns_that_tell_stimuli_apart() {
    let header = "stimulus_id,filename,object";
    let lines = [
        "s3,d.png,dog",
        "s1,b.png,ball",
        "never,n.png,nut",
        "s0,a.png,ant",
        "s2,c.png,cup",
    ];
    let recordings = recordings_with(header, &lines);
    for (list, by) in [
        (["d.png", "c.png", "b.png", "a.png", "n.png"], "image files"),
        (["x/d", "x/c", "x/b", "x/a", "x/n"], "image files"),
        (["s3.a", "s2.a", "s1.a", "s0.a", "n.a"], "ids"),
        (["dog", "cup", "ball", "ant", "nut"], "`object`"),
    ] {
        let (_folder, path) = beside(&[("names", "|S5", words(list))]);
        let file = FeaturesFile::open(&path).expect("a file");
        let features = file.of("fc", &recordings).expect(by);
        let values = features.read(0..4).expect("values");
        assert_eq!(values, expected(1, &[0]), "{list:?}");
        let notices = file
            .notices(&["fc".to_owned()], &recordings)
            .expect("notices");
        let said = format!("array `names` is taken as the stimuli's {by}");
        assert!(notices[0].contains(&said), "{notices:?}");
    }
    // Names of nothing: rows are lines, which is said.
    for list in [
        ["cat", "cat", "dog", "dog", "dog"],
        ["u", "v", "w", "x", "y"],
    ] {
        let (_folder, path) = beside(&[("names", "|S5", words(list))]);
        let file = FeaturesFile::open(&path).expect("a file");
        let features = file.of("fc", &recordings).expect("lines");
        let values = features.read(0..4).expect("values");
        assert_eq!(values, [1300.0, 1200.0, 1000.0, 1900.0], "{list:?}");
        let notices = file
            .notices(&["fc".to_owned()], &recordings)
            .expect("notices");
        let line = "row i is taken as line i of the stimulus set";
        assert!(notices[0].contains(line), "{notices:?}");
    }
}

#[test]
fn lists_that_name_some_stimuli_or_number_them_otherwise_are_refused() {
    let lines = [
        "s3,d.png,7",
        "s1,b.png,3",
        "never,n.png,5",
        "s0,a.png,1",
        "s2,c.png,9",
    ];
    let recordings = recordings_with("stimulus_id,filename,number", &lines);
    let refused = |list: (&str, &str, Vec<u8>)| {
        let (folder, path) = beside(&[list]);
        let file = FeaturesFile::open(&path).expect("a file");
        let text = said(&file.of("fc", &recordings).err().expect("a refusal"));
        text.replace(&format!("{}/", folder.path().display()), "")
    };
    let numbers = |numbers: [i64; 5]| numbers.iter().flat_map(|n| n.to_le_bytes()).collect();
    let odd = [
        refused((
            "names",
            "|S5",
            words(["d.png", "c.png", "x.png", "a.png", "n.png"]),
        )),
        refused((
            "names",
            "|S5",
            words(["p/d.x", "q/d.x", "b.x", "a.x", "c.x"]),
        )),
        refused(("numbers", "<i8", numbers([7, 9, 3, 1, 5]))),
    ];
    insta::assert_snapshot!(odd.join("\n"), @r#"
    `beside.npz`: array `names` names stimuli by their image files, but not each of the recordings' once
      save the stimuli's ids as `stimulus_id`, or leave the list out if row i is of line i of the stimulus set
    `beside.npz`: array `names` names stimuli by their image files, but not each of the recordings' once
      save the stimuli's ids as `stimulus_id`, or leave the list out if row i is of line i of the stimulus set
    `beside.npz`: array `numbers` holds the stimuli's `number` in another order than the stimulus set, or counts something
      save the stimuli's ids as `stimulus_id`, or leave the list out if row i is of line i of the stimulus set
    "#);
    // In the order of the lines, they agree; other numbers count something.
    for list in [[7, 3, 5, 1, 9], [10, 20, 30, 40, 50]] {
        let (_folder, path) = beside(&[("numbers", "<i8", numbers(list))]);
        let file = FeaturesFile::open(&path).expect("a file");
        assert!(file.of("fc", &recordings).is_ok(), "{list:?}");
    }
}

/// A small file may unpack to very many ids; they are counted before they are read.
#[test]
fn very_many_ids_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("ids.npz");
    let mut archive = zip::ZipWriter::new(File::create(&path).expect("a file"));
    let options = zip::write::SimpleFileOptions::default();
    archive
        .start_file("stimulus_id.npy", options)
        .expect("an entry");
    let header = npy_of("|S1", "(4194305,)", &[]);
    std::io::Write::write_all(&mut archive, &header).expect("written");
    archive.finish().expect("an archive");
    let refused = said(&FeaturesFile::open(&path).expect_err("too many"));
    assert!(
        refused.contains("holds more than 4194304 words"),
        "{refused}"
    );
}

/// Two numbers that are one as 64-bit floats.
#[test]
fn ids_of_many_digits_are_told_apart() {
    const FIRST: u64 = 1_234_567_890_123_456_781;
    let ids = [FIRST, FIRST + 1, FIRST + 2, FIRST + 3, u64::MAX];
    let bytes: Vec<u8> = ids.iter().flat_map(|id| id.to_le_bytes()).collect();
    let (_folder, path) = beside(&[("stimulus_id", "<u8", bytes)]);
    let refused = FeaturesFile::open(&path).expect("ids that differ");
    let refused = said(&refused.of("fc", &recordings()).err().expect("other ids"));
    assert!(
        refused.contains("it has `1234567890123456781`"),
        "{refused}"
    );
    let signed: Vec<u8> = [-5_i64, -4, -3, -2, i64::MIN]
        .iter()
        .flat_map(|id| id.to_le_bytes())
        .collect();
    let (_folder, path) = beside(&[("stimulus_id", "<i8", signed)]);
    let rows = FeaturesFile::open(&path).expect("ids").rows.expect("ids");
    assert_eq!(rows["-9223372036854775808"], 4);
    assert_eq!(rows["-5"], 0);
}

#[test]
fn lists_that_may_be_ids_and_cannot_be_used_are_refused() {
    let ids = || words(["s3", "s2", "s1", "s0", "never"]);
    let recordings = recordings();
    let refused = |lists: &[(&str, &str, Vec<u8>)]| {
        let (folder, path) = beside(lists);
        let used = FeaturesFile::open(&path)
            .and_then(|file| file.of("fc", &recordings).map(|features| features.check()));
        let text = said(&used.expect_err("a refusal"));
        text.replace(&format!("{}/", folder.path().display()), "")
    };
    let partly = words(["s3", "s2", "x", "s0", "never"]);
    let other = words(["s2", "s3", "s1", "s0", "never"]);
    let odd = [
        refused(&[("stimuli", "|S5", partly)]),
        refused(&[("stimuli", "|S5", ids()), ("names", "|S5", other)]),
        refused(&[("stimulus_id", "|O", vec![0; 40])]),
        refused(&[("stimuli", "|O", vec![0; 40])]),
        refused(&[("stimulus_id", "|S5", ids()), ("image_id", "|S5", ids())]),
    ];
    insta::assert_snapshot!(odd.join("\n"), @r#"
    `beside.npz` lacks 1 of the recordings' 4 stimuli: `s1`
      compute their activations too, or check that the file's ids are those of the stimulus set (it has `never`)
    `beside.npz`: `stimuli` and `names` name the rows' stimuli differently
      keep the list with the stimuli's ids, as `stimulus_id`
    `beside.npz`: array `stimulus_id`: it holds Python objects, which are not loaded
      save the ids as words: `numpy.savez("features.npz", stimulus_id=ids.astype(str), LAYER=x)`
    `beside.npz`: array `stimuli`: it holds Python objects, which may be ids and are not loaded
      save the ids as words: `numpy.savez("features.npz", stimulus_id=ids.astype(str), LAYER=x)`
    `beside.npz`: array `image_id`: the ids of the stimuli stand here a second time
      keep one list of ids: that with the ids of the stimulus set, as `stimulus_id`
    "#);
}

#[test]
fn numbers_that_may_be_ids_are_refused_where_the_order_matters() {
    let folder = tempfile::tempdir().expect("a folder");
    let assembly = folder.path().join("V4.npy");
    let responses: Vec<u8> = (0..5_u8)
        .flat_map(|value| f64::from(value).to_le_bytes())
        .collect();
    std::fs::write(&assembly, npy_of("<f8", "(5, 1)", &responses)).expect("written");
    let recordings = recordings_in(assembly, "stimulus_id", &["3", "1", "9", "0", "2"]);
    let read = |name: &str, numbers: [i64; 5]| {
        let numbers = numbers
            .iter()
            .flat_map(|number| number.to_le_bytes())
            .collect();
        let (_folder, path) = beside(&[(name, "<i8", numbers)]);
        let file = FeaturesFile::open(&path)?;
        file.of("fc", &recordings)?.read(0..5)
    };
    // `beside` has the rows of 3, 2, 1, 0 and 9.
    let by_id = [3, 1, 9, 0, 2].map(|stimulus| 1000.0 + 100.0 * stimulus as f32);
    let by_line = [3, 2, 1, 0, 9].map(|stimulus| 1000.0 + 100.0 * stimulus as f32);
    let refused = read("order", [3, 2, 1, 0, 9])
        .expect_err("a refusal")
        .to_string();
    assert!(
        refused.ends_with(
            "array `order` holds the stimuli's ids in another order than the stimulus set, or counts something"
        ),
        "{refused}"
    );
    assert_eq!(read("stimulus_id", [3, 2, 1, 0, 9]).expect("by id"), by_id);
    // In the set's order it says what the lines say; that of other numbers counts something.
    assert_eq!(read("order", [3, 1, 9, 0, 2]).expect("by line"), by_line);
    assert_eq!(read("order", [3, 2, 1, 0, 7]).expect("by line"), by_line);
}
