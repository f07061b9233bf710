use super::*;

/// Responses `[stimuli, sites]` of as many training stimuli as the first lists have, and then of the
/// validation stimuli.
fn of_sites(sites: &[(Vec<f64>, Vec<f64>)]) -> Vec<usize> {
    let (training, validation) = (sites[0].0.len(), sites[0].1.len());
    let stimuli = training + validation;
    let mut responses = vec![f64::NAN; stimuli * sites.len()];
    for (site, (of_training, of_validation)) in sites.iter().enumerate() {
        for (stimulus, response) in of_training.iter().chain(of_validation).enumerate() {
            responses[stimulus * sites.len() + site] = *response;
        }
    }
    let train: Vec<usize> = (0..training).collect();
    let validation: Vec<usize> = (training..stimuli).collect();
    left_out(&responses, sites.len(), &train, &validation)
}

/// As many counts as asked that vary, after as many zeros.
fn counts(zeros: usize, varying: usize) -> Vec<f64> {
    let varying = (0..varying).map(|at| 1.0 + (at * 7 % 5) as f64);
    std::iter::repeat_n(0.0, zeros).chain(varying).collect()
}

#[test]
fn sites_that_say_too_little_are_left_out() {
    let usual = (counts(100, 860), counts(20, 100));
    let cases = [
        // Constant; but for rounding; but for 9 of 960; for 10.
        (vec![3.0; 960], true),
        (
            (0..960)
                .map(|at| [0.1, (0.1 + 0.1 + 0.1) / 3.0][at % 2])
                .collect(),
            true,
        ),
        (counts(951, 9), true),
        (counts(950, 10), false),
    ];
    for (training, is_left_out) in cases {
        let validation = counts(118, 2);
        let of = of_sites(&[usual.clone(), (training.clone(), validation)]);
        let expected: &[usize] = if is_left_out { &[1] } else { &[] };
        assert_eq!(of, expected, "{:?}", &training[940..]);
    }
    // Of few stimuli a tenth is enough, and one is needed.
    let few = |zeros, varying| (counts(zeros, varying), counts(2, 3));
    assert_eq!(of_sites(&[few(20, 20), few(37, 3), few(36, 4)]), [1]);
    let once = (counts(11, 1), counts(4, 1));
    assert_eq!(of_sites(&[few(6, 6), once, few(12, 0)]), [2]);
}

#[test]
fn a_site_that_wakes_up_after_training_is_left_out() {
    // All training responses differ; over the validation stimuli the site is a thousand times as loud.
    let murmur: Vec<f64> = (0..200).map(|at| 1e-3 * (at as f64 * 0.7).sin()).collect();
    let usual = (counts(0, 200), counts(0, 20));
    assert_eq!(
        of_sites(&[usual.clone(), (murmur.clone(), counts(15, 5))]),
        [1]
    );
    let alike: Vec<f64> = murmur[..20].iter().map(|of| of * 2.0).collect();
    assert_eq!(of_sites(&[usual, (murmur, alike)]), [0; 0]);
}

#[test]
fn where_nothing_would_be_left_all_count() {
    let silent = (vec![0.0; 50], counts(0, 10));
    assert_eq!(of_sites(&[silent.clone(), silent.clone()]), [0; 0]);
    // The only other site has no validation response.
    let unseen = (counts(0, 50), vec![f64::NAN; 10]);
    assert_eq!(of_sites(&[silent, unseen]), [0; 0]);
}

#[test]
fn responses_with_missing_ones_count_as_they_are() {
    let mut training = counts(0, 100);
    training[..80].fill(f64::NAN);
    let usual = (counts(0, 100), counts(0, 10));
    assert_eq!(
        of_sites(&[usual.clone(), (training.clone(), counts(5, 5))]),
        [0; 0]
    );
    training[80..99].fill(2.0);
    assert_eq!(of_sites(&[usual, (training, counts(5, 5))]), [1]);
}
