//! Mistakes in the search, and in the projection of activations.

use super::*;

#[test]
fn a_projection_is_one_of_three_and_says_how_many_components() {
    let projection = |word: &str| check(&format!("[training]\nprojection = {word:?}"));
    for word in ["none", "row-space", "pca:1", "pca:200"] {
        assert_eq!(projection(word), "good", "{word}");
    }
    for (word, near) in [
        ("row_space", "; did you mean `row-space`?"),
        ("pca:0", "; did you mean `pca:K`?"),
        ("pca", "; did you mean `pca:K`?"),
        ("svd", ""),
    ] {
        assert_eq!(
            projection(word),
            format!(
                "the sweep file has a mistake\n  `training.projection` = {word:?}: must be one of \
                 `none`, `row-space`, `pca:K`, K a whole number from 1 on{near}"
            )
        );
    }
}

#[test]
fn a_search_says_what_it_needs_and_nothing_else() {
    assert_eq!(check("[search]\nstrategy = \"grid\""), "good");
    let random = "[search]\nstrategy = \"random\"\ntrials = 12\nseed = 3";
    assert_eq!(check(random), "good");
    let asha = "early_stopping = \"asha\"\nmin_epochs = 10\nreduction = 4";
    assert_eq!(check(&format!("[search]\n{asha}")), "good");
    assert_eq!(check(&format!("{random}\n{asha}")), "good");
    for (table, mistakes) in [
        (
            r#"strategy = "randon""#,
            vec![
                r#"`search.strategy` = "randon": must be one of `grid`, `random`; did you mean `random`?"#,
            ],
        ),
        (
            "strategy = \"random\"\nseed = -1",
            vec![
                "`search.trials`: is missing: say how many cells",
                "`search.seed` = -1: must not be negative",
            ],
        ),
        (
            "strategy = \"random\"\ntrials = 0",
            vec!["`search.trials` = 0: must be 1 to 1000000"],
        ),
        (
            "trials = 12\nseed = 3",
            vec![
                r#"`search.trials` = 12: only strategy "random" has it; leave it out"#,
                r#"`search.seed` = 3: only strategy "random" has it; leave it out"#,
            ],
        ),
        (
            "early_stopping = \"ahsa\"",
            vec![
                r#"`search.early_stopping` = "ahsa": must be one of `none`, `asha`; did you mean `asha`?"#,
            ],
        ),
        (
            "early_stopping = \"asha\"\nreduction = 1",
            vec![
                "`search.min_epochs`: is missing: say at how many epochs the first trials stop",
                "`search.reduction` = 1: must be 2 to 1000000",
            ],
        ),
        (
            "early_stopping = \"asha\"\nmin_epochs = 200",
            vec!["`search.min_epochs` = 200: must be 1 to 199, below `training.max_epochs`"],
        ),
        (
            "min_epochs = 10\nreduction = 4",
            vec![
                r#"`search.min_epochs` = 10: only early stopping "asha" has it; leave it out"#,
                r#"`search.reduction` = 4: only early stopping "asha" has it; leave it out"#,
            ],
        ),
        (
            "trails = 12",
            vec!["`search.trails` = 12: no such key; did you mean `trials`?"],
        ),
    ] {
        let found = check(&format!("[search]\n{table}"));
        let found: Vec<_> = found.lines().skip(1).map(str::trim).collect();
        assert_eq!(found, mistakes);
    }
}
