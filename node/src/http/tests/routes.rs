//! The paths that are not S3.

use super::*;
use crate::http::NoSurface;

#[tokio::test]
async fn health_says_that_the_process_lives_and_readiness_whether_it_serves() {
    let running = start(PATIENT);
    let mut client = Raw::connect(running.address).await;
    let starting = client.get("/health/ready").await;
    assert_eq!(
        (starting.status(), starting.body.as_slice()),
        (503, &br#"{"status":"not ready"}"#[..])
    );
    running.health.assembled(Arc::new(Node(Readiness::Ready)));
    let ready = client.get("/health/ready").await;
    assert_eq!(
        (ready.status(), ready.body.as_slice()),
        (200, &br#"{"status":"ready"}"#[..])
    );
    running.health.stopping();
    assert_eq!(client.get("/health/ready").await.status(), 503);
    let alive = client.get("/health").await;
    assert_eq!(
        (alive.status(), alive.body.as_slice()),
        (200, &br#"{"status":"ok"}"#[..])
    );
    assert_eq!(alive.header("cache-control"), Some("no-store"));
}

#[tokio::test]
async fn a_node_that_cannot_serve_reads_is_not_ready() {
    let running = start(PATIENT);
    running
        .health
        .assembled(Arc::new(Node(Readiness::NotReady("no quorum"))));
    let answer = Raw::connect(running.address).await.get("/health/ready").await;
    assert_eq!(answer.status(), 503);
    assert!(
        !String::from_utf8_lossy(&answer.body).contains("quorum"),
        "strangers learn nothing"
    );
}

#[tokio::test]
async fn head_gets_the_same_without_a_body_and_other_methods_go_to_s3() {
    let running = start(PATIENT);
    let mut client = Raw::connect(running.address).await;
    client.send("HEAD /health HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let answer = client.answer_to("HEAD").await;
    assert_eq!(
        (answer.status(), answer.header("content-length")),
        (200, Some("15"))
    );
    client.send("DELETE /health HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(client.answer().await.body, b"DELETE a /health");
    assert_eq!(client.get("/health/").await.body, b"GET localhost /health/");
    assert_eq!(client.get("/healthy").await.body, b"GET localhost /healthy");
    assert_eq!(client.get("/health?a=b").await.status(), 200);
}

#[tokio::test]
async fn metrics_are_where_the_configuration_puts_them() {
    let shared = start_with(PATIENT, "metrics: {path: /stats}", None);
    let mut client = Raw::connect(shared.address).await;
    let answer = client.get("/stats").await;
    assert_eq!(
        answer.header("content-type"),
        Some("text/plain; version=0.0.4; charset=utf-8")
    );
    assert_eq!(client.get("/metrics").await.body, b"GET localhost /metrics");

    let apart = start_with(PATIENT, "metrics: {address: '127.0.0.1:1'}", None);
    assert_eq!(
        Raw::connect(apart.address).await.get("/metrics").await.body,
        b"GET localhost /metrics"
    );
    let off = start_with(PATIENT, "metrics: {enabled: false}", None);
    assert_eq!(
        Raw::connect(off.address).await.get("/metrics").await.body,
        b"GET localhost /metrics"
    );
}

#[tokio::test]
async fn a_listener_of_metrics_serves_metrics_and_health_and_nothing_else() {
    let config = configuration("metrics: {address: '127.0.0.1:1'}\nserver: {root_health: true}");
    let listener = bind(&(Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let address = listener.address();
    let routes = Routes::of_metrics_listener(&config, Health::default(), &Metrics::detached());
    let _server = Server::start(
        listener,
        None,
        PATIENT,
        routes,
        Arc::new(OnceLock::from(NoSurface)),
    );
    let mut client = Raw::connect(address).await;
    assert_eq!(client.get("/metrics").await.status(), 200);
    assert_eq!(client.get("/health").await.status(), 200);
    assert_eq!(client.get("/").await.status(), 404);
    assert_eq!(client.get("/bucket/key").await.status(), 404);
}

#[tokio::test]
async fn below_the_host_of_a_bucket_every_path_is_an_object() {
    let running = start_with(PATIENT, "server: {domain: s3.example.com}", None);
    let mut client = Raw::connect(running.address).await;
    for (host, is_object) in [
        ("photos.s3.example.com", true),
        ("photos.s3.example.com:9000", true),
        ("a.b.S3.EXAMPLE.COM", true),
        ("s3.example.com", false),
        ("s3.example.com:9000", false),
        ("other.example.com", false),
        ("xs3.example.com", false),
        ("127.0.0.1", false),
        ("[::1]:9000", false),
    ] {
        for path in ["/health", "/health/ready", "/metrics"] {
            client
                .send(format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n"))
                .await;
            let answer = client.answer().await;
            let object = answer.body == format!("GET {host} {path}").as_bytes();
            assert_eq!(
                object,
                is_object,
                "{host}{path}: {:?}",
                String::from_utf8_lossy(&answer.body)
            );
        }
    }
}

#[tokio::test]
async fn an_unsigned_get_of_the_root_is_a_health_check_only_where_configured() {
    let plain = start(PATIENT);
    assert_eq!(
        Raw::connect(plain.address).await.get("/").await.body,
        b"GET localhost /"
    );

    let lenient = start_with(PATIENT, "server: {root_health: true}", None);
    let mut client = Raw::connect(lenient.address).await;
    assert_eq!(client.get("/").await.body, br#"{"status":"ok"}"#);
    assert_eq!(client.get("/?x-id=ListBuckets").await.body, br#"{"status":"ok"}"#);
    for signed in [
        "GET / HTTP/1.1\r\nHost: a\r\nAuthorization: AWS4-HMAC-SHA256 x\r\n\r\n",
        "GET /?X-Amz-Signature=0 HTTP/1.1\r\nHost: a\r\n\r\n",
    ] {
        client.send(signed).await;
        assert_eq!(client.answer().await.body, b"GET a /", "{signed}");
    }
}

#[tokio::test]
async fn s3_is_told_to_come_back_while_the_node_starts() {
    let listener = bind(&(Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let address = listener.address();
    let routes = Routes::of_s3_listener(&configuration(""), Health::default(), &Metrics::detached());
    let cell: Arc<OnceLock<TestSurface>> = Arc::new(OnceLock::new());
    let _server = Server::start(listener, None, PATIENT, routes, Arc::clone(&cell));
    let mut client = Raw::connect(address).await;
    let answer = client.get("/bucket/key").await;
    assert_eq!((answer.status(), answer.header("retry-after")), (503, Some("1")));
    assert_tells(&answer, "ServiceUnavailable");
    assert_eq!(client.get("/health").await.status(), 200);
    cell.set(TestSurface::default()).ok().unwrap();
    assert_eq!(client.get("/bucket/key").await.status(), 200);
}

#[tokio::test]
async fn a_request_its_handler_and_its_body_have_one_id_and_no_two_requests_the_same() {
    let running = start(PATIENT);
    let mut client = Raw::connect(running.address).await;
    let mut seen = Vec::new();
    for _ in 0..2 {
        let answer = String::from_utf8(client.get("/request").await.body).unwrap();
        let ids: Vec<_> = answer.split(' ').map(str::to_owned).collect();
        assert_eq!(ids.len(), 3);
        assert!(ids.iter().all(|id| *id == ids[0] && id != "none"), "{answer}");
        seen.push(answer);
    }
    assert_ne!(seen[0], seen[1]);
}
