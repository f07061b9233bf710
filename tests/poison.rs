//! Bad sweeps on a shared service: workers that cannot run them say why and continue with other
//! sweeps, even if processes are killed meanwhile. Once repaired, the bad sweeps finish.

use crate::bad_input::{Recordings, SWEEP};
use crate::harness::{
    ANY, Chance, Killed, Place, SMALL_SWEEP, asked, bmp, coordinator, json, outcomes, refusal,
    submit, wait_for, worker,
};
use nrp_proto::wire::sweeps_client::SweepsClient;
use nrp_proto::wire::{StatusRequest, SubmitRequest};
use serde_json::Value;
use std::time::Duration;
use tonic::transport::Channel;

/// How often a worker or the coordinator is killed.
const KILLS: usize = 8;

const WORKERS: [&str; 3] = ["w0", "w1", "w2"];

/// The status of a sweep.
fn status_of(place: &Place, address: &str, sweep: &str) -> Value {
    let arguments = ["sweep", "status", sweep, "--coordinator", address];
    asked(place, &arguments)[0].clone()
}

fn wait_for_state(place: &Place, address: &str, sweep: &str, state: &str) -> Value {
    wait_for(&format!("sweep `{sweep}` to be {state}"), || {
        let status = status_of(place, address, sweep);
        (status["state"] == state).then_some(status)
    })
}

/// Submits a sweep with a layer that does not exist, which only a worker can know. The command
/// would refuse the sweep, so it is sent to the coordinator directly.
fn submit_unknown_layer(address: &str) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let endpoint = Channel::from_shared(format!("http://{address}")).unwrap();
        let mut sweeps = SweepsClient::new(endpoint.connect_lazy());
        let known = StatusRequest {
            sweep: "good".to_owned(),
        };
        let mut spec = sweeps.describe(known).await.unwrap().into_inner();
        "no-layer".clone_into(&mut spec.name);
        for set in &mut spec.anns[0].layer_sets {
            set.layers = vec!["conv_pw_99_relu".to_owned()];
        }
        let request = SubmitRequest {
            sweep: Some(spec),
            priority: None,
        };
        sweeps.submit(request).await.unwrap();
    });
}

/// The reason that each bad sweep must give.
const BAD: [(&str, &str); 4] = [
    ("no-files", "laptop"),
    ("other-files", "digest"),
    ("too-large", "memory"),
    ("no-layer", "conv_pw_99_relu"),
];

#[test]
fn bad_sweeps_end_no_worker_and_the_good_one_finishes_whoever_is_killed() {
    let recordings = Recordings::new();
    let place = &recordings.place;
    let (mut served, address) = coordinator(place, ANY, &[]);
    // The sweep is submitted from a directory that no worker has.
    std::fs::create_dir(place.path("laptop")).unwrap();
    for file in ["assembly.nc", "stimuli.csv"] {
        std::fs::copy(place.path(file), place.path(&format!("laptop/{file}"))).unwrap();
    }
    std::fs::create_dir(place.path("laptop/images")).unwrap();
    for stimulus in 0..4 {
        place.write(&format!("laptop/images/s{stimulus}.bmp"), bmp(stimulus));
    }
    let laptop = SWEEP
        .replace("small-files", "no-files")
        .replace("[4]", "[5]");
    let file = place.write("laptop/sweep.toml", laptop);
    let submitting = [
        "sweep",
        "submit",
        file.to_str().unwrap(),
        "--coordinator",
        &address,
    ];
    asked(place, &submitting);
    std::fs::rename(place.path("laptop"), place.path("gone")).unwrap();
    submit(
        place,
        &address,
        &SWEEP.replace("small-files", "other-files"),
    );
    place.write("images/s2.bmp", [&bmp(2)[..], b"changed"].concat());
    let large = SMALL_SWEEP
        .replace("\"small\"", "\"too-large\"")
        .replace("l1 = [8, 16]", "l1 = [65536]\ndepth = [3]")
        .replace("l2 = [8]", "l2 = [65536]");
    submit(place, &address, &large);
    let good = SMALL_SWEEP
        .replace("\"small\"", "\"good\"")
        .replace("l1 = [8, 16]", "l1 = [8, 12, 16, 20, 24, 28]")
        .replace("max_epochs = 12", "max_epochs = 40");
    let trials = submit(place, &address, &good)["trials"].as_u64().unwrap();
    submit_unknown_layer(&address);

    let mut workers = WORKERS.map(|name| worker(place, &address, name));
    let mut chance = Chance::new();
    for _ in 0..KILLS {
        std::thread::sleep(Duration::from_secs_f64(2.5 * chance.next()));
        let victim = (chance.next() * 4.0) as usize;
        match workers.get_mut(victim) {
            Some(worker_process) => {
                let ended = worker_process.0.try_wait().unwrap();
                assert!(
                    ended.is_none(),
                    "{} ended by itself: {ended:?}",
                    WORKERS[victim]
                );
                worker_process.kill();
                *worker_process = worker(place, &address, WORKERS[victim]);
            }
            None => {
                served.kill();
                served = coordinator(place, &address, &[]).0;
            }
        }
    }
    let finished = wait_for_state(place, &address, "good", "finished");
    assert_eq!(finished["finished"], trials);
    for (sweep, why) in BAD {
        check_parked(place, &address, sweep, why);
    }
    for (worker, name) in workers.iter_mut().zip(WORKERS) {
        assert!(worker.0.try_wait().unwrap().is_none(), "{name} is gone");
    }
    resumed_once_mended(place, &address, &mut served);
    let outcomes = outcomes(place);
    assert!(
        outcomes.values().all(|&n| n == 1),
        "recorded more than once: {outcomes:?}"
    );
}

/// A bad sweep says everywhere why it cannot run.
fn check_parked(place: &Place, address: &str, sweep: &str, why: &str) {
    let status = wait_for_state(place, address, sweep, "parked");
    assert_eq!(
        (&status["failed"], &status["waiting"]),
        (&0.into(), &0.into())
    );
    assert_eq!(status["parked"], status["trials"]);
    let hindered = status["hindered"].as_array().unwrap();
    for told in hindered {
        let reason = told["reason"].as_str().unwrap();
        assert!(reason.contains(why), "{sweep}: {reason}");
        assert_ne!(told["hint"], "", "{sweep} has no hint");
    }
    let told = hindered
        .iter()
        .flat_map(|told| told["workers"].as_array().unwrap());
    let mut told: Vec<_> = told.map(|name| name.as_str().unwrap()).collect();
    told.sort_unstable();
    // The free memory may differ between workers.
    told.dedup();
    assert_eq!(told, WORKERS, "{sweep}");
    let ask = |words: &[&str]| asked(place, &[words, &["--coordinator", address]].concat());
    let explained = ask(&["sweep", "explain", sweep])["explanations"][0].clone();
    assert_eq!(explained["why"], "parked");
    assert!(
        explained["text"].as_str().unwrap().contains(why),
        "{explained}"
    );
    let trials = ask(&["trials", "--sweep", sweep, "--in-state", "parked"]);
    assert_eq!(
        trials.as_array().map(Vec::len),
        status["trials"].as_u64().map(|n| n as usize)
    );
    assert!(trials[0]["reason"].as_str().unwrap().contains(why));
    let watch = ["sweep", "watch", sweep, "--coordinator", address];
    let watched = refusal(&place.nrp(&watch).output().unwrap());
    assert!(
        watched.contains(why) && watched.contains("resume"),
        "{watched}"
    );
}

/// The files are put in place; after a resume the same workers finish the sweep.
fn resumed_once_mended(place: &Place, address: &str, served: &mut Killed) {
    std::fs::rename(place.path("gone"), place.path("laptop")).unwrap();
    place.write("images/s2.bmp", bmp(2));
    for sweep in ["no-files", "other-files"] {
        let arguments = [
            "sweep",
            "resume",
            sweep,
            "--coordinator",
            address,
            "--output",
            "json",
        ];
        json(&place.nrp(&arguments).output().unwrap());
    }
    for sweep in ["no-files", "other-files"] {
        let status = wait_for_state(place, address, sweep, "finished");
        assert_eq!(status["finished"], status["trials"]);
    }
    // What was not repaired is still parked after a restart.
    served.kill();
    *served = coordinator(place, address, &[]).0;
    assert_eq!(status_of(place, address, "too-large")["state"], "parked");
}

#[test]
fn a_run_with_a_bad_part_finishes_the_rest_and_says_why_not_all() {
    let place = Place::new();
    let sweep = SMALL_SWEEP.replace(
        "[grid]",
        "[[ann]]\nname = \"mobilenet\"\nweights = \"random:2\"\nlayer_sets = [[\"conv1_relu\"]]\n[grid]",
    );
    let file = place.write("sweep.toml", sweep);
    // The second ANN's layer does not fit into the cache.
    let mut run = place.nrp(&["run", "--state", "state", "--cache", "cache"]);
    let run = run.args(["--cache-size", "20MB"]).arg(&file);
    let error = refusal(&run.output().unwrap());
    for words in ["8 of 16 trials", "parked", "--cache-size", "resume"] {
        assert!(error.contains(words), "`{words}` is not in: {error}");
    }
    let states = |state: &str| {
        let trials = place.trials().into_iter();
        trials.filter(|trial| trial["state"] == state).count()
    };
    assert_eq!((states("finished"), states("parked")), (8, 8));
    // The same command with enough space continues.
    json(&place.run(&file).output().unwrap());
    assert_eq!(states("finished"), 16);
}
