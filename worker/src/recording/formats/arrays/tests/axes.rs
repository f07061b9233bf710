//! Which axis of an array is which.

use super::*;

#[test]
fn matlab_order_is_never_silently_taken_for_another() {
    let files = files();
    // 2 sites, 4 stimuli, 3 repetitions: the entry of site a, stimulus b, repetition c is 12a + 3b + c.
    let shape = [2, 4, 3];
    let (_kept, asked) = source(&files, &shape, Axes::Evident);
    let error = Recordings::open(&asked, &[]).err().expect("a question");
    let text = error.to_string();
    assert!(
        text.contains("array `V4` is 2 x 4 x 3 and")
            && text.ends_with(
                "lists 4 stimuli, which fits repetitions x stimuli x sites, or sites x stimuli x repetitions"
            ),
        "{text}"
    );
    let help = miette::Diagnostic::help(&error).expect("help").to_string();
    assert!(
        help.contains(r#"axes = ["repetitions", "stimuli", "sites"]"#)
            && help.contains(r#"or ["sites", "stimuli", "repetitions"]"#),
        "{help}"
    );
    let (_kept, told) = source(&files, &shape, given(&["sites", "stimuli", "repetitions"]));
    let recordings = Recordings::open(&told, &[]).expect("recordings");
    let v4 = &recordings.regions[0];
    assert_eq!((v4.sites.len(), v4.repetitions), (2, (3, 3)));
    let means =
        (0..4).flat_map(|stimulus| [0, 1].map(|site| f64::from(12 * site + 3 * stimulus + 1)));
    assert_eq!(v4.responses, means.collect::<Vec<_>>());
    assert_eq!(recordings.axes.len(), 3);
    let (_kept, documented) = source(&files, &shape, given(&["repetitions", "stimuli", "sites"]));
    let recordings = Recordings::open(&documented, &[]).expect("recordings");
    assert_eq!(recordings.regions[0].repetitions, (2, 2));
    assert_eq!(recordings.axes, [], "as it always was");
    // A worker reads what was submitted, and asks nobody.
    let (_kept, submitted) = source(&files, &shape, Axes::Documented);
    let same = Recordings::open(&submitted, &[]).expect("recordings");
    assert_eq!(same.regions[0].responses, recordings.regions[0].responses);
}

#[test]
fn a_table_that_lies_on_its_side_is_read_as_the_stimulus_set_tells() {
    let files = files();
    let recordings = files.open("transposed.npy", &[]).expect("recordings");
    let upright = files.open("little.npy", &[]).expect("recordings");
    assert_eq!(
        recordings.regions[0].responses,
        upright.regions[0].responses
    );
    let notice = &recordings.notices[0];
    assert!(notice.contains("is read as sites x stimuli"), "{notice}");
    assert!(upright.notices.is_empty() && upright.axes.is_empty());
    // As many sites as stimuli.
    let (_kept, square) = source(&files, &[4, 4], Axes::Evident);
    let error = Recordings::open(&square, &[]).err().expect("a question");
    assert!(
        error
            .to_string()
            .ends_with("which fits stimuli x sites, or sites x stimuli"),
        "{error}"
    );
    let first_row = |axes| {
        let (_kept, source) = source(&files, &[4, 4], axes);
        let recordings = Recordings::open(&source, &[]).expect("recordings");
        recordings.regions[0].responses[..4].to_vec()
    };
    assert_eq!(
        first_row(given(&["stimuli", "sites"])),
        [0.0, 1.0, 2.0, 3.0]
    );
    assert_eq!(
        first_row(given(&["sites", "stimuli"])),
        [0.0, 4.0, 8.0, 12.0]
    );
    for wrong in [
        &["sites", "stimuli", "repetitions"][..],
        &["sites"],
        &["sites", "pictures"],
    ] {
        let (_kept, source) = source(&files, &[4, 4], given(wrong));
        let error = Recordings::open(&source, &[]).err().expect("an error");
        assert!(error.to_string().contains("axes"), "{error}");
    }
}

#[test]
fn a_list_of_sites_tells_which_axis_they_are() {
    let files = files();
    // 3 x 4 x 5 with three sites named.
    let recordings = files.open("three-sites.npz", &[]).expect("recordings");
    let region = &recordings.regions[0];
    assert_eq!((region.sites.len(), region.repetitions), (3, (5, 5)));
    assert!(recordings.notices[0].contains("sites x stimuli x repetitions"));
    let mut source = files.source(testdata("three-sites.npz"));
    if let Source::Files { layout, .. } = &mut source {
        layout.axes = Axes::Documented;
    }
    let error = Recordings::open(&source, &[]).err().expect("an error");
    assert!(
        error
            .to_string()
            .ends_with("`sites` has 3 entries, but there are 5 sites"),
        "{error}"
    );
}
