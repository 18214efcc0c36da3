//! What is not built is never carried out as something less.

use http::Method;

use super::{house, untouched};
use crate::support::ask::{ALICE, Ask, send};

#[tokio::test]
async fn sec_46_a_sub_resource_that_is_not_built_is_never_a_plain_request() {
    let house = house();
    for parameter in [
        "lifecycle-typo",
        "acl",
        "tagging",
        "retention",
        "legal-hold",
        "versionId",
        "versions",
        "torrent",
        "restore",
        "select",
        "attributes",
        "uploadid",
        "Uploads",
    ] {
        for method in [Method::GET, Method::PUT, Method::DELETE, Method::POST] {
            for level in ["/books", "/books/k"] {
                for suffix in ["", "=", "=x"] {
                    let target = format!("{level}?{parameter}{suffix}");
                    let answer = Ask::new(method.clone(), &target)
                        .body(if method == Method::PUT { "new" } else { "" })
                        .ask(&house)
                        .await;
                    answer.expect_error(501, "NotImplemented");
                }
            }
        }
    }
    assert!(house.gateway.state().calls.is_empty());
    untouched(&house);
}

#[tokio::test]
async fn sec_46_other_services_and_fallbacks_find_no_way_around() {
    let house = house();
    for (method, target, status) in [
        (Method::POST, "/?Action=AssumeRole&Version=2011-06-15", 501),
        (Method::POST, "/", 405),
        (Method::PATCH, "/books/k", 405),
        (Method::POST, "/books", 501),
        (Method::OPTIONS, "/books/k", 403),
        (Method::CONNECT, "/books/k", 405),
        (Method::TRACE, "/books/k", 405),
        (Method::from_bytes(b"PROPFIND").unwrap(), "/books", 405),
        (Method::from_bytes(b"get").unwrap(), "/books/k", 405),
    ] {
        for request in [
            Ask::new(method.clone(), target).unsigned(),
            Ask::new(method.clone(), target).sign(ALICE).request,
        ] {
            let answer = send(&house.service, request).await;
            assert_eq!(answer.status, status, "{method} {target}");
            assert_eq!(
                answer.header("allow").is_some(),
                status == 405,
                "{method} {target}"
            );
        }
    }
    assert!(house.gateway.state().calls.is_empty());
    untouched(&house);
}
