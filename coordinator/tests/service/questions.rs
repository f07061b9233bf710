//! Questions about results: pages, filters, fronts and marginals, over the wire.

use super::world::{hint, start, sweep};
use nrp_proto::state::Front;
use nrp_proto::wire::*;
use nrp_proto::{DETAILS_MAX, Message};
use tonic::Code;

#[tokio::test(flavor = "multi_thread")]
async fn pages_together_are_what_streams_and_whole_answers_are() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut world = start(dir.path()).await;
    world.submit(sweep("a", "0, 1, 2, 3, 4")).await;
    world.finish_all().await;

    let streamed = world.trials("").await.expect("streams");
    let mut request = ListTrialsRequest {
        page_size: 3,
        ..ListTrialsRequest::default()
    };
    let mut listed = Vec::new();
    loop {
        let page = world.sweeps.list_trials(request.clone()).await;
        let page = page.expect("is answered").into_inner();
        assert!(page.trials.len() <= 3);
        listed.extend(page.trials);
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            break;
        }
    }
    assert_eq!((listed.len(), listed), (10, streamed));

    let whole = BestRequest {
        top: 2,
        filters: vec!["seed>=3".to_owned()],
        ..BestRequest::default()
    };
    let reply = world.sweeps.best(whole.clone()).await.expect("is answered");
    let reply = reply.into_inner();
    assert_eq!(reply.next_page_token, "");
    let found: Vec<_> = reply.rows.iter().map(|row| row.best.len()).collect();
    assert_eq!(found, [2, 2]);
    let mut request = BestRequest {
        page_size: 1,
        ..whole
    };
    let first = world
        .sweeps
        .best(request.clone())
        .await
        .expect("is answered");
    let first = first.into_inner();
    request.page_token = first.next_page_token;
    let second = world
        .sweeps
        .best(request.clone())
        .await
        .expect("is answered");
    let second = second.into_inner();
    assert_eq!([first.rows, second.rows].concat(), reply.rows);
    assert_eq!(second.next_page_token, "");

    request.filters.clear();
    let status = world
        .sweeps
        .best(request)
        .await
        .expect_err("is of another question");
    assert_eq!(status.code(), Code::InvalidArgument);
    assert_eq!(
        status.message(),
        "the page token is of no page of this question"
    );
    assert!(hint(&status).starts_with("ask again without one"));
}

#[tokio::test(flavor = "multi_thread")]
async fn fronts_and_marginals_are_answered_or_refused_with_what_to_do() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut world = start(dir.path()).await;
    world.submit(sweep("a", "0, 1, 2")).await;
    world.finish_all().await;
    let front = BestRequest {
        front: Front::ValidationMse.to_wire(),
        region: "V4".to_owned(),
        ..BestRequest::default()
    };
    let reply = world.sweeps.best(front.clone()).await.expect("is answered");
    let rows = reply.into_inner().rows;
    assert_eq!(
        (rows.len(), rows[0].best.len()),
        (1, 1),
        "all are of one size"
    );
    let marginals = MarginalsRequest {
        by: vec!["l1".to_owned(), "seed".to_owned()],
        ..MarginalsRequest::default()
    };
    let reply = world.sweeps.marginals(marginals.clone()).await;
    let rows = reply.expect("is answered").into_inner().rows;
    assert_eq!(rows.len(), 2);
    let values: Vec<_> = rows[0]
        .cells
        .iter()
        .map(|cell| cell.values.join(" "))
        .collect();
    assert_eq!(values, ["16 0", "16 1", "16 2"]);
    assert!(rows[0].cells.iter().all(|cell| cell.trials == 1));

    let best = |change: &dyn Fn(&mut BestRequest)| {
        let mut request = BestRequest::default();
        change(&mut request);
        let mut sweeps = world.sweeps.clone();
        async move { sweeps.best(request).await.expect_err("is refused") }
    };
    for (status, message, advice) in [
        (
            best(&|request| request.front = 9).await,
            "unknown front 9 on the wire",
            "run the same version of nrp on both sides",
        ),
        (
            best(&|request| request.filters = vec!["lerning_rate=1".to_owned()]).await,
            "unknown axis `lerning_rate`; did you mean `learning_rate`?",
            "expected one of ann, region,",
        ),
        (
            best(&|request| request.top = 1_001).await,
            "1001 trials per row; the limit is 1000",
            "`nrp export`",
        ),
        (
            best(&|request| request.filters = vec!["l1=1".to_owned(); 65]).await,
            "65 filters; the limit is 64",
            "are client",
        ),
    ] {
        assert_eq!(status.code(), Code::InvalidArgument);
        assert_eq!(status.message(), message);
        assert!(hint(&status).starts_with(advice), "{}", hint(&status));
    }
    let request = MarginalsRequest {
        by: vec!["l1".to_owned(), "l1".to_owned()],
        ..marginals
    };
    let status = world
        .sweeps
        .marginals(request)
        .await
        .expect_err("is refused");
    assert_eq!(status.message(), "marginals over 2 axes");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_scores_are_made_of_is_kept_and_asked_for_by_itself() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut spec = sweep("a", "0, 1");
    spec.sites = vec![RegionSites {
        region: "V4".to_owned(),
        names: vec!["V4-0".to_owned(), "V4-1".to_owned()],
        ceilings: vec![0.5, f32::NAN],
        ..RegionSites::default()
    }];
    let details = Details {
        site_error: vec![0.25, f32::NAN],
        site_pearson: vec![0.5, f32::NAN],
        training_mse: vec![1.0, 0.5],
        validation_mse: vec![1.0, 0.75],
        worker_version: "1".to_owned(),
        device: "flex".to_owned(),
        sites_left_out: vec![1],
    };
    let scores = Scores {
        sites: 2,
        epochs: 2,
        parameters: 7,
        ..Scores::default()
    };
    let mut world = start(dir.path()).await;
    world.submit(spec.clone()).await;
    world.register("1").await;
    let job = world.lease("1").await.expect("a job");
    let outcome = Outcome {
        result: Some(outcome::Result::Scores(Scores {
            details: Some(details.clone()),
            // The coordinator's own clock counts.
            recorded_at_ms: 7,
            ..scores.clone()
        })),
    };
    let verdict = world.report(&job, 0, outcome).await;
    assert_eq!(verdict.expect("is taken"), "recorded");
    let (scored, open) = (job.cells[0].id.clone(), job.cells[1].id.clone());
    // The second time from the journal, whose index was deleted.
    for restarted in [false, true] {
        if restarted {
            drop(world);
            std::fs::remove_dir_all(dir.path().join("index")).expect("is there");
            world = start(dir.path()).await;
        }
        let request = DetailsRequest {
            trials: vec![scored.clone(), open.clone()],
        };
        let reply = world.sweeps.details(request).await.expect("is answered");
        let found = reply.into_inner().details;
        // NaN equals nothing, so bytes are compared.
        let expected = [details.encode_to_vec(), Vec::new()];
        let found: Vec<_> = found.iter().map(Message::encode_to_vec).collect();
        assert_eq!(found, expected);
        let trials = world.trials("finished").await.expect("streams");
        let found = trials[0].scores.clone().expect("has some");
        assert!(found.recorded_at_ms > 1_700_000_000_000, "{found:?}");
        let shown = Scores {
            // Of them only what every row shows.
            details: Some(Details {
                worker_version: "1".to_owned(),
                device: "flex".to_owned(),
                ..Details::default()
            }),
            recorded_at_ms: found.recorded_at_ms,
            ..scores.clone()
        };
        assert_eq!(found, shown);
        let described = world.sweeps.describe(StatusRequest::default()).await;
        let described = described.expect("is answered").into_inner();
        assert_eq!(described.encode_to_vec(), spec.encode_to_vec());
    }

    let many = DetailsRequest {
        trials: vec![scored; DETAILS_MAX + 1],
    };
    let refused = world.sweeps.details(many).await.expect_err("too many");
    assert_eq!(refused.code(), Code::InvalidArgument);
}
