//! Messages at random: what no worker and no client of this version would send.

use super::world::sweep;
use nrp_proto::Message;
use nrp_proto::wire::*;
use proptest::prelude::*;

/// A call and its message.
pub(crate) fn request() -> impl Strategy<Value = (&'static str, Vec<u8>)> {
    prop_oneof![of_worker(), of_client()]
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        Just("w".to_owned()),
        Just("a".to_owned()),
        Just("mobilenet".to_owned()),
        Just("tab\tand\nline".to_owned()),
        Just("x".repeat(5_000)),
        Just("0".repeat(32)),
        Just("0123456789abcdef".to_owned()),
        Just("l1=16".to_owned()),
        Just("learning_rate<=nan".to_owned()),
        "[a-z_]{1,8}(=|<|>=|!)[0-9.e-]{0,6}",
        any::<String>(),
    ]
}

fn number() -> impl Strategy<Value = f64> {
    prop_oneof![
        Just(f64::NAN),
        Just(f64::INFINITY),
        Just(-0.0),
        Just(0.5),
        any::<f64>(),
    ]
}

fn count() -> impl Strategy<Value = u32> {
    prop_oneof![Just(0), Just(1), Just(u32::MAX), 0_u32..100, any::<u32>()]
}

/// A sweep with one thing wrong, perhaps.
fn spec() -> impl Strategy<Value = SweepSpec> {
    (0_u8..25, text(), number(), count(), 0_usize..2_000).prop_map(
        |(what, text, number, n, many)| {
            let mut spec = sweep("a", "0, 1, 2");
            let grid = spec.grid.get_or_insert_default();
            match what {
                0 => spec.name = text,
                1 => spec.recordings_digest = text,
                2 => spec.regions = vec![text; many],
                3 => spec.data_dir = text,
                4 => spec.split = None,
                5 => spec.split.get_or_insert_default().train = number,
                6 => spec.split.get_or_insert_default().stratify = text,
                7 => spec.anns.clear(),
                8 => spec.anns[0].ann = None,
                9 => spec.anns[0].weights = text,
                10 => spec.anns[0].layer_sets = vec![LayerSet::default(); many],
                11 => spec.anns[0].layer_sets[0].layers = vec![text; many],
                12 => spec.anns[0].ann.get_or_insert_default().sparsity = number,
                13 => spec.anns[0].ann.get_or_insert_default().preprocessing = text,
                14 => grid.learning_rate = vec![number; many],
                15 => grid.l1 = vec![n; many],
                16 => grid.depth = vec![n],
                17 => grid.seed.clear(),
                18 => grid.dropout = vec![number],
                19 => spec.grid = None,
                20 => spec.training = None,
                21 => spec.training.get_or_insert_default().targets = text,
                22 => spec.baselines = vec![text; many],
                23 => {
                    spec.early_stopping = Some(EarlyStopping {
                        min_epochs: n,
                        reduction: many as u32,
                    });
                }
                _ => spec.files = None,
            }
            spec
        },
    )
}

fn scores() -> impl Strategy<Value = Scores> {
    (number(), number(), text(), proptest::option::of(number())).prop_map(
        |(nrp_error, validation_mse, cache_dtype, r2_mean)| Scores {
            nrp_error,
            validation_mse,
            r2_mean,
            cache_dtype,
            ..Scores::default()
        },
    )
}

fn outcome() -> impl Strategy<Value = Option<Outcome>> {
    let result = prop_oneof![
        Just(None),
        scores().prop_map(|scores| Some(outcome::Result::Scores(scores))),
        (text(), any::<bool>()).prop_map(|(reason, r#final)| {
            Some(outcome::Result::Failure(Failure { reason, r#final }))
        }),
    ];
    proptest::option::of(result.prop_map(|result| Outcome { result }))
}

fn lease() -> impl Strategy<Value = Option<LeaseRef>> {
    proptest::option::of((0_u64..4, 0_u64..4).prop_map(|(job, fence)| LeaseRef { job, fence }))
}

fn names() -> impl Strategy<Value = (String, String, String)> {
    (text(), text(), text())
}

fn texts() -> impl Strategy<Value = Vec<String>> {
    proptest::collection::vec(text(), 0..80)
}

fn of_worker() -> impl Strategy<Value = (&'static str, Vec<u8>)> {
    prop_oneof![
        (names(), count(), 0_u32..3).prop_map(|((worker, instance, device), lanes, contract)| {
            let request = RegisterRequest {
                worker,
                instance,
                device,
                lanes,
                contract,
            };
            ("/nrp.v1.Workers/Register", request.encode_to_vec())
        }),
        (text(), text(), texts()).prop_map(|(worker, instance, held)| {
            let request = LeaseRequest {
                worker,
                instance,
                held,
            };
            ("/nrp.v1.Workers/Lease", request.encode_to_vec())
        }),
        (names(), lease(), 0_usize..2_000, any::<u64>(), number()).prop_map(
            |((worker, instance, subject), lease, many, done, seconds)| {
                let request = HeartbeatRequest {
                    worker,
                    instance,
                    leases: vec![lease.unwrap_or_default(); many],
                    activity: Some(Activity {
                        subject,
                        done,
                        ..Activity::default()
                    }),
                    totals: Some(WorkerTotals {
                        device_seconds: seconds,
                        ..WorkerTotals::default()
                    }),
                };
                ("/nrp.v1.Workers/Heartbeat", request.encode_to_vec())
            }
        ),
        (names(), lease(), outcome(), 0_usize..400).prop_map(
            |((worker, instance, trial), lease, outcome, many)| {
                let report = Report {
                    worker,
                    instance,
                    lease,
                    trial,
                    outcome,
                };
                let reports = vec![report; many];
                (
                    "/nrp.v1.Workers/Report",
                    ReportRequest { reports }.encode_to_vec(),
                )
            }
        ),
        (names(), lease(), count(), number()).prop_map(
            |((worker, instance, trial), lease, epochs, validation_mse)| {
                let request = RungRequest {
                    worker,
                    instance,
                    lease,
                    trial,
                    epochs,
                    validation_mse,
                };
                ("/nrp.v1.Workers/Rung", request.encode_to_vec())
            }
        ),
    ]
}

fn of_client() -> impl Strategy<Value = (&'static str, Vec<u8>)> {
    prop_oneof![
        spec().prop_map(|spec| {
            let request = SubmitRequest {
                sweep: Some(spec),
                ..SubmitRequest::default()
            };
            ("/nrp.v1.Sweeps/Submit", request.encode_to_vec())
        }),
        text().prop_map(|sweep| (
            "/nrp.v1.Sweeps/Status",
            StatusRequest { sweep }.encode_to_vec()
        )),
        (names(), texts(), count(), -1..5_i32, text()).prop_map(
            |((sweep, ann, region), filters, size, front, page_token)| {
                let request = BestRequest {
                    sweep,
                    ann,
                    region,
                    filters,
                    top: size,
                    front,
                    page_size: size,
                    page_token,
                };
                ("/nrp.v1.Sweeps/Best", request.encode_to_vec())
            }
        ),
        (names(), texts(), texts(), count(), text()).prop_map(
            |((sweep, ann, region), filters, by, page_size, page_token)| {
                let request = MarginalsRequest {
                    sweep,
                    ann,
                    region,
                    filters,
                    by,
                    page_size,
                    page_token,
                };
                ("/nrp.v1.Sweeps/Marginals", request.encode_to_vec())
            }
        ),
        (names(), texts(), -1..10_i32, count(), text()).prop_map(
            |((sweep, ann, region), filters, state, page_size, page_token)| {
                let request = ListTrialsRequest {
                    trials: Some(TrialsRequest {
                        sweep,
                        ann,
                        region,
                        state,
                        filters,
                    }),
                    page_size,
                    page_token,
                };
                ("/nrp.v1.Sweeps/ListTrials", request.encode_to_vec())
            }
        ),
    ]
}
