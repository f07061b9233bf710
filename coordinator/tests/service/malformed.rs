//! Malformed requests: whatever comes in, an answer or a refusal that says what is wrong comes out,
//! and the coordinator goes on.

use super::messages::request;
use super::world::{World, hint, start, sweep};
use nrp_proto::wire::*;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use std::sync::OnceLock;
use tokio::runtime::Runtime;
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::transport::Channel;
use tonic::{Code, Request, Status};

/// Cases of each property.
const CASES: u32 = 512;

/// Every call, by its path.
const CALLS: [&str; 20] = [
    "/nrp.v1.Workers/Register",
    "/nrp.v1.Workers/Lease",
    "/nrp.v1.Workers/Heartbeat",
    "/nrp.v1.Workers/Report",
    "/nrp.v1.Workers/Release",
    "/nrp.v1.Admin/Workers",
    "/nrp.v1.Admin/Drain",
    "/nrp.v1.Sweeps/Submit",
    "/nrp.v1.Sweeps/List",
    "/nrp.v1.Sweeps/Status",
    "/nrp.v1.Sweeps/Watch",
    "/nrp.v1.Sweeps/Events",
    "/nrp.v1.Sweeps/Cancel",
    "/nrp.v1.Sweeps/Resume",
    "/nrp.v1.Sweeps/Best",
    "/nrp.v1.Sweeps/Marginals",
    "/nrp.v1.Sweeps/Trials",
    "/nrp.v1.Sweeps/ListTrials",
    "/nrp.v1.Sweeps/NoSuchCall",
    "/nrp.v1.Workers/Rung",
];

/// Bytes as they are, instead of messages.
#[derive(Clone, Default)]
struct Raw;

impl Codec for Raw {
    type Encode = Vec<u8>;
    type Decode = Vec<u8>;
    type Encoder = Raw;
    type Decoder = Raw;

    fn encoder(&mut self) -> Raw {
        Raw
    }

    fn decoder(&mut self) -> Raw {
        Raw
    }
}

impl Encoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, item: Vec<u8>, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        bytes::BufMut::put_slice(buffer, &item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Vec<u8>>, Status> {
        let mut bytes = vec![0; bytes::Buf::remaining(buffer)];
        bytes::Buf::copy_to_slice(buffer, &mut bytes);
        Ok(Some(bytes))
    }
}

/// A coordinator that all cases of a property meet.
struct Target {
    runtime: Runtime,
    world: World,
    channel: Channel,
    _dir: tempfile::TempDir,
}

impl Target {
    fn new() -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let dir = tempfile::tempdir().expect("a directory");
        let (world, channel) = runtime.block_on(async {
            let mut world = start(dir.path()).await;
            world.submit(sweep("a", "0, 1, 2")).await;
            world.register("1").await;
            let address = format!("http://{}", world.coordinator.address());
            let channel = Channel::from_shared(address).expect("an address");
            (world, channel.connect().await.expect("connects"))
        });
        Self {
            runtime,
            world,
            channel,
            _dir: dir,
        }
    }

    /// The first answer to a call, or why there is none; none where it is not answered soon.
    fn call(&self, path: &'static str, bytes: Vec<u8>) -> Option<Result<Vec<u8>, Status>> {
        let mut client = Grpc::new(self.channel.clone()).max_encoding_message_size(usize::MAX);
        self.runtime.block_on(async {
            let answer = async {
                client.ready().await.expect("is there");
                let path = path.parse().expect("a path");
                let mut stream = client
                    .server_streaming(Request::new(bytes), path, Raw)
                    .await?
                    .into_inner();
                Ok(stream.message().await?.unwrap_or_default())
            };
            // A worker waits for its job, and a watch for its sweep.
            let patience = std::time::Duration::from_millis(50);
            tokio::time::timeout(patience, answer).await.ok()
        })
    }

    /// Holds an answer against what every answer must be.
    fn check(&self, answer: Option<Result<Vec<u8>, Status>>) -> Result<(), TestCaseError> {
        let Some(Err(status)) = answer else {
            return Ok(());
        };
        let refused = matches!(
            status.code(),
            Code::InvalidArgument | Code::NotFound | Code::FailedPrecondition | Code::Aborted
        );
        let undecodable = match status.code() {
            Code::Internal => status.message().contains("decode"),
            Code::Unimplemented | Code::OutOfRange => true,
            _ => false,
        };
        prop_assert!(refused || undecodable, "{status:?}");
        prop_assert!(undecodable || !status.message().is_empty(), "{status:?}");
        Ok(())
    }

    /// It still knows its sweep.
    fn is_well(&self) {
        let mut sweeps = self.world.sweeps.clone();
        let list = self.runtime.block_on(sweeps.list(ListRequest::default()));
        let sweeps = list.expect("is answered").into_inner().sweeps;
        assert!(sweeps.iter().any(|sweep| sweep.name == "a"));
    }
}

fn target() -> &'static Target {
    static TARGET: OnceLock<Target> = OnceLock::new();
    TARGET.get_or_init(Target::new)
}

fn runner() -> TestRunner {
    TestRunner::new(Config {
        cases: CASES,
        failure_persistence: None,
        ..Config::default()
    })
}

#[test]
fn no_message_gets_past_a_check_or_ends_the_coordinator() {
    let target = target();
    let held = runner().run(&request(), |(call, message)| {
        target.check(target.call(call, message))
    });
    held.expect("every answer is in order");
    target.is_well();
}

#[test]
fn no_bytes_end_the_coordinator() {
    let target = target();
    let mangled = (
        request(),
        any::<proptest::sample::Index>(),
        any::<u8>(),
        0..CALLS.len(),
    );
    let bytes = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..200).prop_map(|bytes| (None, bytes)),
        mangled.prop_map(|((_, mut bytes), place, byte, call)| {
            if !bytes.is_empty() {
                let place = place.index(bytes.len());
                bytes[place] = byte;
            }
            (Some(call), bytes)
        }),
    ];
    let held = runner().run(&bytes, |(call, bytes)| {
        let calls = match call {
            Some(call) => &CALLS[call..=call],
            None => &CALLS[..],
        };
        for call in calls {
            target.check(target.call(call, bytes.clone()))?;
        }
        Ok(())
    });
    held.expect("every answer is in order");
    target.is_well();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grid_of_a_thousand_million_cells_is_refused_with_its_count() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut world = start(dir.path()).await;
    let mut large = sweep("large", "0, 1, 2, 3, 4, 5, 6, 7, 8, 9");
    large.regions = vec!["V4".to_owned()];
    let grid = large.grid.as_mut().expect("a grid");
    grid.l1 = (1..=1_000).collect();
    grid.l2 = (1..=1_000).collect();
    grid.learning_rate = (1..=100).map(f64::from).collect();
    let request = SubmitRequest {
        sweep: Some(large),
        ..SubmitRequest::default()
    };
    let status = world.sweeps.submit(request).await.expect_err("too large");
    assert_eq!(status.code(), Code::InvalidArgument);
    assert_eq!(
        status.message(),
        "sweep `large` has 1000000000 cells; the limit is 1000000"
    );
    assert!(hint(&status).starts_with("shorten an axis"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_beyond_the_limit_is_refused_unread() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut world = start(dir.path()).await;
    let request = StatusRequest {
        sweep: "x".repeat(nrp_proto::MESSAGE_BYTES_MAX + 1),
    };
    let status = world.sweeps.status(request).await.expect_err("too large");
    assert_eq!(status.code(), Code::OutOfRange);
    assert!(status.message().contains("too large"), "{status}");
}

type Edit = fn(&mut SweepSpec);

fn grid(spec: &mut SweepSpec) -> &mut Grid {
    spec.grid.as_mut().expect("a grid")
}

fn split(spec: &mut SweepSpec) -> &mut SplitSpec {
    spec.split.as_mut().expect("a split")
}

fn training(spec: &mut SweepSpec) -> &mut TrainingSpec {
    spec.training.as_mut().expect("a protocol")
}

fn of_files(spec: &mut SweepSpec, assembly: &str) {
    spec.simulated = false;
    spec.files = Some(RecordingsFiles {
        assembly: assembly.to_owned(),
        stimuli: "s.csv".to_owned(),
        images: "i.zip".to_owned(),
        ..RecordingsFiles::default()
    });
}

/// What is wrong with a sweep, and what is said of it.
const EDITS: [(Edit, &str); 14] = [
    (
        |spec| grid(spec).learning_rate = vec![-0.1],
        "`grid.learning_rate[0]` = -0.1: a learning rate must be above 0",
    ),
    (
        |spec| grid(spec).l1 = vec![70_000],
        "`grid.l1[0]` = 70000: a layer has 1 to 65536 units",
    ),
    (
        |spec| grid(spec).ensemble = vec![1_000_000],
        "an ensemble has 1 to 1000 networks",
    ),
    (
        |spec| split(spec).scheme = "holdot".to_owned(),
        "did you mean `holdout`?",
    ),
    (|spec| split(spec).train = 0.9, "must sum to 1, not 1.1"),
    (
        |spec| training(spec).max_epochs = 2_000_000,
        "`training.max_epochs` = 2000000: must be 1 to 1000000",
    ),
    (
        |spec| training(spec).batch_size = 0,
        "`training.batch_size` = 0: must be 1 to 1000000",
    ),
    (
        |spec| training(spec).inputs = "centered".to_owned(),
        "did you mean `centred`?",
    ),
    (
        |spec| training(spec).projection = "pca:x".to_owned(),
        "`training.projection` = \"pca:x\"",
    ),
    (
        |spec| spec.name = "a b".to_owned(),
        "`name` = \"a b\": must be 1 to 64",
    ),
    (
        |spec| spec.baselines = vec!["lasso".to_owned()],
        "`training.baselines[0]` = \"lasso\": must be one of",
    ),
    (
        |spec| of_files(spec, "../../etc/a.nc"),
        "\"../../etc/a.nc\": leads out of the data directory",
    ),
    (
        |spec| spec.anns[0].weights = "/etc/passwd".to_owned(),
        "`ann[0].weights` = \"/etc/passwd\": is absolute",
    ),
    (
        |spec| spec.anns[0].layer_sets[0].layers = vec!["a\u{1b}[31m".to_owned()],
        "has a control character",
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_submitted_sweep_is_checked_as_its_file_would_be() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut world = start(dir.path()).await;
    for (edit, told) in EDITS {
        let mut spec = sweep("a", "0");
        edit(&mut spec);
        let request = SubmitRequest {
            sweep: Some(spec),
            ..SubmitRequest::default()
        };
        let status = world.sweeps.submit(request).await.expect_err(told);
        assert_eq!(status.code(), Code::InvalidArgument);
        assert!(
            status.message().contains(told),
            "{told}: {}",
            status.message()
        );
    }
    let mut good = sweep("a", "0");
    of_files(&mut good, "v4/a.nc");
    assert_eq!(world.submit(good).await.trials, 2);
}
