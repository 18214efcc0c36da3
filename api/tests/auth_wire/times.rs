//! Dates, validity and clocks.

use std::time::{Duration, SystemTime};

use api::s3::ErrorCode;
use api::s3::auth::{AuthConfig, AuthError, SigningKeys, parse};

use crate::signer::{Draft, Sent, now, secret};

fn verify_at(sent: &Sent, time: SystemTime) -> Result<(), AuthError> {
    let parts = sent.parts();
    let auth = parse(&parts, &AuthConfig::default(), time)?;
    auth.verify(Some(&secret()), &SigningKeys::new()).map(|_| ())
}

fn seconds(number: u64) -> Duration {
    Duration::from_secs(number)
}

#[test]
fn a_header_signature_is_good_for_fifteen_minutes_either_way() {
    let (sent, _) = Draft::new("GET", "/bucket/key").sign_header();
    for time in [now() - seconds(900), now(), now() + seconds(900)] {
        assert_eq!(verify_at(&sent, time), Ok(()));
    }
    for time in [
        now() - seconds(901),
        now() + seconds(901),
        now() + seconds(86_400 * 365),
    ] {
        let error = verify_at(&sent, time).expect_err("too far apart");
        assert_eq!(error.code(), ErrorCode::RequestTimeTooSkewed);
        assert_eq!(error.reason(), "clock_skew");
        assert_eq!(error.details()[0], ("RequestTime", "20130524T000000Z".to_owned()));
        assert_eq!(
            error.details()[2],
            ("MaxAllowedSkewMilliseconds", "900000".to_owned())
        );
    }
}

#[test]
fn a_presigned_request_is_good_until_it_expires() {
    let sent = Draft::new("GET", "/bucket/key").presign("60");
    for time in [now() - seconds(900), now(), now() + seconds(60)] {
        assert_eq!(verify_at(&sent, time), Ok(()));
    }
    let error = verify_at(&sent, now() + seconds(61)).expect_err("expired");
    assert_eq!(
        (error.code(), error.reason()),
        (ErrorCode::AccessDenied, "expired")
    );
    assert_eq!(error.details()[0], ("Expires", "2013-05-24T00:01:00Z".to_owned()));
    assert_eq!(
        verify_at(&sent, now() - seconds(901)),
        Err(AuthError::NotYetValid)
    );
}

#[test]
fn a_presigned_request_is_good_for_one_second_to_seven_days() {
    for expires in ["1", "604800", "0060"] {
        assert_eq!(
            verify_at(&Draft::new("GET", "/b/k").presign(expires), now()),
            Ok(()),
            "{expires}"
        );
    }
    assert_eq!(
        verify_at(
            &Draft::new("GET", "/b/k").presign("604800"),
            now() + seconds(604_800)
        ),
        Ok(())
    );
    let wrong = [
        "0",
        "000",
        "-1",
        "-0",
        "604801",
        "18446744073709551616",
        "9223372036854775807",
        "",
        "1.5",
        "+1",
        " 1",
        "1s",
    ];
    for expires in wrong {
        let error = verify_at(&Draft::new("GET", "/b/k").presign(expires), now()).expect_err("refused");
        assert_eq!(
            error.code(),
            ErrorCode::AuthorizationQueryParametersError,
            "{expires:?}"
        );
    }
}

#[test]
fn a_signed_date_header_stands_in_for_a_missing_one_of_amazon() {
    let draft = Draft::new("GET", "/bucket/key").header("date", "Fri, 24 May 2013 00:00:00 GMT");
    let (sent, with_both) = draft.clone().sign_header();
    assert_eq!(verify_at(&sent, now()), Ok(()));
    let unsigned_date = Draft::new("GET", "/bucket/key")
        .sign_header()
        .0
        .without("x-amz-date");
    let unsigned_date = unsigned_date
        .replace(";x-amz-date", "")
        .add("date", "Fri, 24 May 2013 00:00:00 GMT");
    assert_eq!(verify_at(&unsigned_date, now()), Err(AuthError::MissingDate));
    let draft = draft.header("x-amz-content-sha256", crate::signer::EMPTY_SHA256);
    let signature = crate::signer::sign(&draft.canonical());
    let sent = sent
        .without("x-amz-date")
        .replace(";x-amz-date", "")
        .replace(&with_both, &signature);
    assert_eq!(verify_at(&sent, now()), Ok(()));
    assert!(matches!(
        verify_at(&sent, now() + seconds(901)),
        Err(AuthError::RequestTimeTooSkewed { .. })
    ));
}

#[test]
fn a_date_that_is_none_is_refused() {
    for date in [
        "",
        "today",
        "20130524",
        "20130524T000000",
        "2013-05-24T00:00:00Z",
        "20130231T000000Z",
    ] {
        let sent = Draft::new("GET", "/bucket/key")
            .sign_header()
            .0
            .set("x-amz-date", date);
        assert_eq!(verify_at(&sent, now()), Err(AuthError::MissingDate), "{date:?}");
        let sent = Draft::new("GET", "/bucket/key").presign("60");
        let sent = sent.replace("X-Amz-Date=20130524T000000Z", &format!("X-Amz-Date={date}"));
        assert!(
            matches!(verify_at(&sent, now()), Err(AuthError::QueryMalformed(_))),
            "{date:?}"
        );
    }
}

#[test]
fn a_scope_of_another_day_is_refused() {
    let (sent, _) = Draft::new("GET", "/bucket/key").sign_header();
    let error = verify_at(&sent.replace("/20130524/", "/20130525/"), now()).expect_err("refused");
    assert_eq!(error.code(), ErrorCode::AuthorizationHeaderMalformed);
    let sent = Draft::new("GET", "/bucket/key")
        .presign("60")
        .replace("%2F20130524%2F", "%2F20130525%2F");
    let error = verify_at(&sent, now()).expect_err("refused");
    assert_eq!(error.code(), ErrorCode::AuthorizationQueryParametersError);
}

#[test]
fn a_clock_before_1970_refuses_and_does_not_panic() {
    let (sent, _) = Draft::new("GET", "/bucket/key").sign_header();
    assert!(verify_at(&sent, SystemTime::UNIX_EPOCH - seconds(1)).is_err());
}
