//! How servers end.

use super::*;
use crate::http::Drained;

#[tokio::test]
async fn draining_finishes_running_requests_and_accepts_nothing_more() {
    let running = start(PATIENT);
    let mut client = Raw::connect(running.address).await;
    client.send("GET /hold HTTP/1.1\r\nHost: a\r\n\r\n").await;
    running.surface.held.acquire().await.unwrap().forget();
    let mut idle = Raw::connect(running.address).await;
    assert_eq!(idle.get("/").await.status(), 200);

    let draining = tokio::spawn(running.server.drain(SOON));
    assert!(idle.end().await.is_empty(), "idle connections are closed at once");
    // The idle one was told after the listener had stopped to accept.
    assert!(TcpStream::connect(running.address).await.is_err());
    assert!(!draining.is_finished());
    running.surface.release.add_permits(1);
    let answer = client.answer().await;
    assert_eq!(answer.body, b"released");
    assert!(answer.closes());
    assert_eq!(soon(draining).await.unwrap(), Drained::Whole);
}

#[tokio::test]
async fn draining_cuts_what_takes_too_long() {
    let running = start(PATIENT);
    let mut clients = Vec::new();
    for _ in 0..3 {
        let mut client = Raw::connect(running.address).await;
        client.send("GET /hold HTTP/1.1\r\nHost: a\r\n\r\n").await;
        running.surface.held.acquire().await.unwrap().forget();
        clients.push(client);
    }
    assert_eq!(
        soon(running.server.drain(Duration::from_millis(50))).await,
        Drained::Cut(3)
    );
    for client in &mut clients {
        assert!(client.end().await.is_empty());
    }
}

#[tokio::test]
async fn a_server_without_connections_drains_at_once() {
    let running = start(PATIENT);
    assert_eq!(soon(running.server.drain(SOON)).await, Drained::Whole);
    assert!(TcpStream::connect(running.address).await.is_err());
}

#[tokio::test]
async fn a_leaving_server_serves_and_ends_each_connection_with_its_answer() {
    let running = start(PATIENT);
    let mut old = Raw::connect(running.address).await;
    assert!(!old.get("/").await.closes());
    running.server.leave();
    for client in [&mut old, &mut Raw::connect(running.address).await] {
        let answer = client.get("/still-here").await;
        assert_eq!(answer.body, b"GET localhost /still-here");
        assert!(answer.closes());
        assert!(client.end().await.is_empty());
    }
}

#[tokio::test]
async fn a_half_sent_head_does_not_hold_the_end_up_longer_than_it_may() {
    let running = start(ServerOptions {
        patience: Patience {
            head: Duration::from_millis(200),
            idle: Duration::from_secs(60),
        },
        ..PATIENT
    });
    let mut client = Raw::connect(running.address).await;
    assert_eq!(client.get("/").await.status(), 200);
    client.send("GET /hal").await;
    assert_eq!(soon(running.server.drain(SOON)).await, Drained::Whole);
    client.end().await;
}

#[tokio::test]
async fn a_dropped_server_ends_everything() {
    let running = start(PATIENT);
    let mut client = Raw::connect(running.address).await;
    client.send("GET /hold HTTP/1.1\r\nHost: a\r\n\r\n").await;
    running.surface.held.acquire().await.unwrap().forget();
    drop(running.server);
    assert!(client.end().await.is_empty());
}

#[tokio::test]
async fn a_port_is_taken_once_and_the_second_is_told_why() {
    let first = bind(&(Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let again = (Ipv4Addr::LOCALHOST, first.address().port()).into();
    let error = bind(&again).unwrap_err().to_string();
    assert!(
        error.ends_with("another program listens there already"),
        "{error}"
    );
    let everywhere = crate::config::ListenAddr {
        host: crate::config::ListenHost::Any,
        port: again.port,
    };
    assert!(
        bind(&everywhere).is_err(),
        "half of what was asked for is not enough"
    );
    drop(first);
    assert!(bind(&again).is_ok());
}

#[tokio::test]
async fn every_interface_is_ipv4_too() {
    let address = crate::config::ListenAddr {
        host: crate::config::ListenHost::Any,
        port: 0,
    };
    let listener = bind(&address).unwrap();
    assert!(
        TcpStream::connect((Ipv4Addr::LOCALHOST, listener.address().port()))
            .await
            .is_ok()
    );
}
