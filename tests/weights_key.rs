//! `weights_key`: which of a PyTorch file's networks is taken, in a sweep file and by `--weights-key`.

use crate::harness::{Place, json, refusal, unwrapped};
use std::path::Path;
use std::process::Output;

const SWEEP: &str = r#"
name = "key"
[recordings]
assembly = "simulated"
[[ann]]
name = "mobilenet_v2-torchvision"
weights = "two_networks.pth"
KEY
layer_sets = [["features.18"]]
[grid]
l1 = [4]
l2 = [4]
learning_rate = [1e-3]
"#;

/// A place with a file of two networks: `student`, whose weights are all zero, and `teacher`, whose are all one.
fn two_networks() -> Place {
    let place = Place::new();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/weights_key/two_networks.pth");
    std::fs::copy(file, place.path("two_networks.pth")).unwrap();
    place
}

fn sparsity(place: &Place, options: &[&str]) -> Output {
    let command = [
        "ann",
        "sparsity",
        "mobilenet_v2-torchvision",
        "two_networks.pth",
    ];
    let arguments = [&command[..], options, &["--output", "json"]].concat();
    place.nrp(&arguments).output().unwrap()
}

fn sweep_check(place: &Place, sweep: &str) -> Output {
    place.write("sweep.toml", sweep);
    place
        .nrp(&["sweep", "check", "sweep.toml"])
        .output()
        .unwrap()
}

#[test]
fn a_file_of_two_networks_is_asked_about_and_read_as_told() {
    let place = two_networks();
    let question = "two_networks.pth` has them 2 times: `student`, `teacher.module`";
    let sweep = |key: &str| SWEEP.replace("KEY", key);
    for refused in [sparsity(&place, &[]), sweep_check(&place, &sweep(""))] {
        let said = unwrapped(&refusal(&refused));
        assert!(
            said.contains(question) && said.contains("choose with `weights_key = \"student\"`"),
            "{said}"
        );
    }
    for (key, zeros) in [("student", 1.0), ("teacher", 0.0), ("teacher.module", 0.0)] {
        let counted = json(&sparsity(&place, &["--weights-key", key]));
        assert_eq!(counted["reached_sparsity"], zeros, "{key}");
        let output = sweep_check(&place, &sweep(&format!("weights_key = {key:?}")));
        let said = unwrapped(&String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{key}: {said}");
        // Nobody asked for weights that are zero.
        let notice = "kernels are zero, though the sweep file asks for no";
        assert_eq!(said.contains(notice), zeros > 0.0, "{key}: {said}");
    }
}

#[test]
fn a_key_that_names_nothing_is_refused_by_both_commands() {
    let place = two_networks();
    let refusals = [
        sparsity(&place, &["--weights-key", "techer"]),
        sweep_check(&place, &SWEEP.replace("KEY", "weights_key = \"techer\"")),
    ];
    for refused in refusals {
        let said = unwrapped(&refusal(&refused));
        assert!(
            said.contains("two_networks.pth` is called `techer`")
                && said.contains("did you mean `teacher`?"),
            "{said}"
        );
    }
    // Weights that have no keys.
    let random = SWEEP
        .replace("two_networks.pth", "random:1")
        .replace("KEY", "weights_key = \"teacher\"");
    let said = unwrapped(&refusal(&sweep_check(&place, &random)));
    assert!(
        said.contains("is for PyTorch's files, not `random:1`")
            && said.contains("leave `weights_key` out"),
        "{said}"
    );
}
