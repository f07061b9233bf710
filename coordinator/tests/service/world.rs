//! What the tests share: a coordinator on localhost, and what workers and clients ask of it.

use nrp_coordinator::{Config, Coordinator, CoordinatorError, StoreError};
use nrp_proto::state::{self, SweepState, TrialState};
use nrp_proto::sweep::SweepFile;
use nrp_proto::wire::admin_client::AdminClient;
use nrp_proto::wire::sweeps_client::SweepsClient;
use nrp_proto::wire::workers_client::WorkersClient;
use nrp_proto::wire::{outcome::Result::Scores as Scored, *};
use nrp_proto::word::Answer;
use nrp_proto::{CONTRACT, HINT_METADATA};
use std::path::Path;
use std::time::{Duration, Instant};
use tokio_stream::StreamExt;
use tonic::Status;
use tonic::transport::Channel;

pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

pub(crate) struct World {
    pub(crate) coordinator: Coordinator,
    pub(crate) workers: WorkersClient<Channel>,
    pub(crate) sweeps: SweepsClient<Channel>,
    pub(crate) admin: AdminClient<Channel>,
}

pub(crate) fn config(dir: &Path) -> Config {
    Config::new(dir, ([127, 0, 0, 1], 0).into())
}

/// Starts a coordinator, once the one before has let go of the directory.
pub(crate) async fn start(dir: &Path) -> World {
    start_with(config(dir)).await
}

/// As [`start`], with other settings.
pub(crate) async fn start_with(config: Config) -> World {
    let begun = Instant::now();
    let coordinator = loop {
        match Coordinator::start(config.clone()).await {
            Ok(coordinator) => break coordinator,
            Err(CoordinatorError::Store(StoreError::InUse { .. }))
                if begun.elapsed() < DEADLINE =>
            {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            Err(error) => panic!("{error}"),
        }
    };
    let channel = Channel::from_shared(format!("http://{}", coordinator.address()))
        .expect("an address")
        .connect()
        .await
        .expect("connects");
    World {
        coordinator,
        workers: WorkersClient::new(channel.clone()),
        sweeps: SweepsClient::new(channel.clone()),
        admin: AdminClient::new(channel),
    }
}

pub(crate) fn sweep(name: &str, seeds: &str) -> SweepSpec {
    let text = format!(
        r#"
        name = "{name}"
        recordings = {{ assembly = "simulated", regions = ["V4", "IT"] }}
        [[ann]]
        name = "mobilenet"
        weights = "random:0"
        layer_sets = [["conv_pw_13_relu"]]
        [grid]
        l1 = [16]
        l2 = [32]
        learning_rate = [1e-3]
        seed = [{seeds}]
        "#
    );
    let mut spec = SweepFile::parse(&text).expect("parses").to_spec();
    spec.recordings_digest = "simulated:1".to_owned();
    spec.data_dir = "/data".to_owned();
    for entry in &mut spec.anns {
        let ann = entry.ann.as_mut().expect("an ann");
        ann.weights_digest = "random:0".to_owned();
    }
    spec
}

pub(crate) fn scores(validation_mse: f64) -> Outcome {
    Outcome {
        result: Some(Scored(Scores {
            validation_mse,
            nrp_error: 0.1,
            sites: 2,
            sites_scored: 2,
            epochs: 3,
            best_epoch: 2,
            parameters: 7,
            ..Scores::default()
        })),
    }
}

/// The word of an answer.
pub(crate) fn word<A: Answer>(number: i32) -> &'static str {
    A::of_wire(number).expect("a known answer").name()
}

impl World {
    pub(crate) async fn submit(&mut self, spec: SweepSpec) -> SubmitReply {
        let request = SubmitRequest {
            sweep: Some(spec),
            priority: None,
        };
        self.sweeps
            .submit(request)
            .await
            .expect("is taken")
            .into_inner()
    }

    pub(crate) async fn register(&mut self, instance: &str) {
        let request = RegisterRequest {
            worker: "w".to_owned(),
            instance: instance.to_owned(),
            device: "cpu".to_owned(),
            lanes: 8,
            contract: CONTRACT,
        };
        let reply = self
            .workers
            .register(request)
            .await
            .expect("is taken")
            .into_inner();
        assert_eq!((reply.lease_ms, reply.heartbeat_ms), (30_000, 5_000));
    }

    pub(crate) async fn lease(&mut self, instance: &str) -> Option<Job> {
        let request = LeaseRequest {
            worker: "w".to_owned(),
            instance: instance.to_owned(),
            ..LeaseRequest::default()
        };
        self.workers
            .lease(request)
            .await
            .expect("is answered")
            .into_inner()
            .job
    }

    pub(crate) async fn report(
        &mut self,
        job: &Job,
        trial: usize,
        outcome: Outcome,
    ) -> Result<String, Status> {
        let verdicts = self.report_all(vec![Report {
            worker: "w".to_owned(),
            instance: "1".to_owned(),
            lease: Some(LeaseRef {
                job: job.id,
                fence: job.fence,
            }),
            trial: job.cells[trial].id.clone(),
            outcome: Some(outcome),
        }]);
        let answer = verdicts.await?.remove(0);
        match word::<state::Verdict>(answer.kind) {
            "refused" => Err(Status::invalid_argument(answer.reason)),
            verdict => Ok(verdict.to_owned()),
        }
    }

    /// What is answered to a report of scores.
    pub(crate) async fn verdict(&mut self, job: &Job, trial: usize, loss: f64) -> String {
        let reported = self.report(job, trial, scores(loss)).await;
        reported.expect("is taken")
    }

    pub(crate) async fn report_all(
        &mut self,
        reports: Vec<Report>,
    ) -> Result<Vec<Verdict>, Status> {
        let request = ReportRequest { reports };
        Ok(self.workers.report(request).await?.into_inner().verdicts)
    }

    pub(crate) async fn best(&mut self, sweep: &str) -> Vec<BestRow> {
        let request = BestRequest {
            sweep: sweep.to_owned(),
            ..BestRequest::default()
        };
        self.sweeps
            .best(request)
            .await
            .expect("is answered")
            .into_inner()
            .rows
    }

    /// A sweep's state.
    pub(crate) async fn state(&mut self, sweep: &str) -> &'static str {
        let status = self.status(sweep).await.expect("is there");
        word::<SweepState>(status.state)
    }

    /// Has everything that waits finish, with losses that fall.
    pub(crate) async fn finish_all(&mut self) {
        self.register("1").await;
        let mut loss = 1.0;
        while self.state("").await == "running" {
            let Some(job) = self.lease("1").await else {
                continue;
            };
            for trial in 0..job.cells.len() {
                loss /= 2.0;
                let verdict = self.report(&job, trial, scores(loss)).await;
                assert_eq!(verdict.expect("is taken"), "recorded");
            }
        }
    }

    pub(crate) async fn trials(&mut self, state: &str) -> Result<Vec<TrialRecord>, Status> {
        // None asks for trials in any state.
        let state = (!state.is_empty()).then(|| state.parse::<TrialState>().expect("a state"));
        let request = TrialsRequest {
            state: state.map_or(0, |state| state.to_wire()),
            ..TrialsRequest::default()
        };
        let stream = self.sweeps.trials(request).await?.into_inner();
        stream.collect().await
    }

    /// Counts and words.
    pub(crate) async fn explain(&mut self, subject: &str) -> Vec<String> {
        let request = ExplainRequest {
            subject: subject.to_owned(),
        };
        let explained = self.sweeps.explain(request).await.expect("is there");
        let explained = explained.into_inner().explanations.into_iter();
        explained
            .map(|why| format!("{} {}", why.trials, why.text))
            .collect()
    }

    pub(crate) async fn status(&mut self, sweep: &str) -> Result<SweepStatus, Status> {
        let request = StatusRequest {
            sweep: sweep.to_owned(),
        };
        Ok(self.sweeps.status(request).await?.into_inner())
    }
}

pub(crate) fn submission(sweep: &SweepSpec) -> SubmitRequest {
    let mut request = SubmitRequest::default();
    request.sweep.replace(sweep.clone());
    request
}

pub(crate) fn hint(status: &Status) -> String {
    let hint = status.metadata().get_bin(HINT_METADATA).expect("a hint");
    String::from_utf8(hint.to_bytes().expect("bytes").to_vec()).expect("text")
}
