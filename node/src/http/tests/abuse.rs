//! Clients that are slow, wrong, or too many.

use std::time::Instant;

use super::*;

const SHORT: Duration = Duration::from_millis(500);

fn impatient() -> ServerOptions {
    ServerOptions {
        patience: Patience {
            head: SHORT,
            idle: SHORT,
        },
        write_timeout: SHORT,
        ..PATIENT
    }
}

#[tokio::test]
async fn a_connection_carries_one_request_after_the_other() {
    let running = start(PATIENT);
    let mut client = Raw::connect(running.address).await;
    for number in 0..50 {
        let path = format!("/object-{number}");
        assert_eq!(
            client.get(&path).await.body,
            format!("GET localhost {path}").as_bytes()
        );
    }
    client
        .send("PUT /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello")
        .await;
    assert_eq!(client.answer().await.body, b"hello");
}

#[tokio::test]
async fn two_requests_in_one_packet_are_answered_in_order() {
    let running = start(PATIENT);
    let mut client = Raw::connect(running.address).await;
    client
        .send("GET /one HTTP/1.1\r\nHost: a\r\n\r\nGET /two HTTP/1.1\r\nHost: a\r\n\r\n")
        .await;
    assert_eq!(client.answer().await.body, b"GET a /one");
    assert_eq!(client.answer().await.body, b"GET a /two");
}

#[tokio::test]
async fn a_head_that_drips_in_is_cut_off_however_steadily_it_drips() {
    let running = start(ServerOptions {
        patience: Patience {
            head: SHORT,
            idle: Duration::from_secs(60),
        },
        ..PATIENT
    });
    let mut client = Raw::connect(running.address).await;
    // The first head of a connection and a later one are bounded alike.
    assert_eq!(client.get("/first").await.status(), 200);
    client.send("GET /second HTTP/1.1\r\n").await;
    let begun = Instant::now();
    let (mut reading, mut writing) = client.0.into_split();
    let dripping = tokio::spawn(async move {
        while writing.write_all(b"x-drip: y\r\n").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    let mut rest = Vec::new();
    let _ = soon(reading.read_to_end(&mut rest)).await;
    dripping.abort();
    assert!(rest.is_empty(), "{:?}", String::from_utf8_lossy(&rest));
    assert!(
        begun.elapsed() >= SHORT / 2,
        "cut off after {:?}",
        begun.elapsed()
    );
}

#[tokio::test]
async fn a_connection_that_says_nothing_is_closed() {
    let running = start(ServerOptions {
        patience: Patience {
            head: SHORT,
            idle: Duration::from_secs(60),
        },
        ..PATIENT
    });
    assert!(Raw::connect(running.address).await.end().await.is_empty());
}

#[tokio::test]
async fn an_idle_connection_is_closed_and_a_busy_one_is_not() {
    let running = start(impatient());
    let mut idle = Raw::connect(running.address).await;
    let mut busy = Raw::connect(running.address).await;
    busy.send("GET /hold HTTP/1.1\r\nHost: a\r\n\r\n").await;
    running.surface.held.acquire().await.unwrap().forget();
    assert_eq!(idle.get("/").await.status(), 200);
    assert!(idle.end().await.is_empty());
    // The busy one is older than the idle one was when it was closed.
    running.surface.release.add_permits(1);
    assert_eq!(busy.answer().await.body, b"released");
}

#[tokio::test]
async fn a_body_may_take_longer_than_a_head() {
    let running = start(impatient());
    let mut client = Raw::connect(running.address).await;
    client
        .send("PUT /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n")
        .await;
    for byte in [b"a", b"b", b"c", b"d"] {
        tokio::time::sleep(SHORT / 2).await;
        client.send(byte).await;
    }
    assert_eq!(client.answer().await.body, b"abcd");
}

#[tokio::test]
async fn a_client_that_takes_nothing_is_given_up() {
    let running = start(impatient());
    let mut client = Raw::connect(running.address).await;
    client.send("GET /endless HTTP/1.1\r\nHost: a\r\n\r\n").await;
    soon(running.surface.given_up.acquire()).await.unwrap().forget();
}

#[tokio::test]
async fn a_client_that_takes_its_answer_slowly_is_served() {
    let running = start(ServerOptions {
        write_timeout: Duration::from_secs(2),
        ..impatient()
    });
    let mut client = Raw::connect(running.address).await;
    client.send("GET /endless HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let begun = Instant::now();
    let mut taken = 0;
    let mut buffer = vec![0; 64 << 10];
    while begun.elapsed() < Duration::from_secs(3) {
        taken += soon(client.0.read(&mut buffer)).await.unwrap();
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert!(taken > 0);
    assert_eq!(
        running.surface.given_up.available_permits(),
        0,
        "gave up a client that makes progress"
    );
}

#[tokio::test]
async fn a_head_that_is_too_large_is_answered_431() {
    let running = start(PATIENT);
    let mut client = Raw::connect(running.address).await;
    let fits = format!(
        "GET / HTTP/1.1\r\nHost: a\r\nx-large: {}\r\n\r\n",
        "y".repeat(7 << 10)
    );
    client.send(fits).await;
    assert_eq!(client.answer().await.status(), 200);
    client
        .send(format!(
            "GET / HTTP/1.1\r\nHost: a\r\nx-large: {}\r\n\r\n",
            "y".repeat(9 << 10)
        ))
        .await;
    assert_eq!(client.answer().await.status(), 431);
    client.end().await;
    let mut client = Raw::connect(running.address).await;
    client
        .send(format!(
            "GET /{} HTTP/1.1\r\nHost: a\r\n\r\n",
            "y".repeat(9 << 10)
        ))
        .await;
    assert_eq!(client.answer().await.status(), 431);
    let mut client = Raw::connect(running.address).await;
    let many: String = (0..200).map(|number| format!("x-{number}: y\r\n")).collect();
    client
        .send(format!("GET / HTTP/1.1\r\nHost: a\r\n{many}\r\n"))
        .await;
    assert_eq!(client.answer().await.status(), 431);
}

#[tokio::test]
async fn malformed_heads_are_answered_400_and_end_the_connection() {
    let running = start(PATIENT);
    for head in [
        "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5, 5\r\n\r\n",
        "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
        "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n",
        "PUT / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
        "GET / HTTP/1.1\r\nHost : a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n folded: b\r\n\r\n",
        "GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n",
        "nonsense\r\n\r\n",
        "GET / HTTP/9.9\r\nHost: a\r\n\r\n",
        "\x16\x03\x01\x02\x00\x01\x00\x01\r\n\r\n",
    ] {
        let mut client = Raw::connect(running.address).await;
        client.send(head).await;
        assert_eq!(client.answer().await.status(), 400, "{head:?}");
        assert!(client.end().await.is_empty(), "{head:?}");
    }
}

#[tokio::test]
async fn a_request_whose_framing_is_ambiguous_ends_its_connection() {
    let running = start(PATIENT);
    for head in [
        "PUT /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
        "PUT /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n",
        "PUT /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
    ] {
        let mut client = Raw::connect(running.address).await;
        client.send(head).await;
        client
            .send("2\r\nhi\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n")
            .await;
        let answer = client.answer().await;
        assert_eq!(answer.body, b"hi", "{head:?}");
        assert!(answer.closes(), "{head:?}");
        let rest = client.end().await;
        assert!(rest.is_empty(), "{head:?}: {:?}", String::from_utf8_lossy(&rest));
    }
}

#[tokio::test]
async fn a_full_server_makes_room_by_closing_idle_connections() {
    let running = start(ServerOptions {
        max_connections: 2,
        ..PATIENT
    });
    let mut idle = Raw::connect(running.address).await;
    assert_eq!(idle.get("/").await.status(), 200);
    let mut busy = Raw::connect(running.address).await;
    busy.send("GET /hold HTTP/1.1\r\nHost: a\r\n\r\n").await;
    running.surface.held.acquire().await.unwrap().forget();
    // The third waits in the kernel until the idle one was asked to leave.
    let mut third = Raw::connect(running.address).await;
    assert_eq!(third.get("/third").await.body, b"GET localhost /third");
    assert!(idle.end().await.is_empty());
    running.surface.release.add_permits(1);
    assert_eq!(busy.answer().await.body, b"released");
}

#[tokio::test]
async fn a_full_server_ends_connections_after_their_answer() {
    let running = start(ServerOptions {
        max_connections: 1,
        ..PATIENT
    });
    let mut first = Raw::connect(running.address).await;
    first.send("GET /hold HTTP/1.1\r\nHost: a\r\n\r\n").await;
    running.surface.held.acquire().await.unwrap().forget();
    let mut second = Raw::connect(running.address).await;
    second.send("GET /second HTTP/1.1\r\nHost: a\r\n\r\n").await;
    running.surface.release.add_permits(1);
    assert!(first.answer().await.closes());
    assert_eq!(second.answer().await.body, b"GET a /second");
}

#[tokio::test]
async fn a_panic_ends_one_request_with_500_and_nobody_elses() {
    let running = start(PATIENT);
    let mut other = Raw::connect(running.address).await;
    other.send("GET /hold HTTP/1.1\r\nHost: a\r\n\r\n").await;
    running.surface.held.acquire().await.unwrap().forget();

    let mut client = Raw::connect(running.address).await;
    let answer = client.get("/panic").await;
    assert_eq!(answer.status(), 500);
    assert!(answer.closes());
    assert_tells(&answer, "InternalError");
    assert!(client.end().await.is_empty());

    let mut client = Raw::connect(running.address).await;
    client.send("GET /broken HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let rest = client.end().await;
    assert!(!rest.ends_with(b"0\r\n\r\n"), "a broken body must not look whole");

    running.surface.release.add_permits(1);
    assert_eq!(other.answer().await.body, b"released");
}
