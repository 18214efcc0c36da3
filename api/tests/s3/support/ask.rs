//! Requests as clients make them, signed with Signature Version 4.

use api::s3::S3Service;
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};

use super::House;
use super::gateway::MemoryGateway;

/// Who asks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct User {
    pub(crate) access_key: &'static str,
    pub(crate) secret: &'static str,
}

pub(crate) const ALICE: User = User {
    access_key: "AKALICE",
    secret: "alice's secret",
};
pub(crate) const BOB: User = User {
    access_key: "AKBOB",
    secret: "bob's secret",
};

/// What the signature says of the body.
#[derive(Debug, Clone)]
pub(crate) enum Payload {
    /// Its SHA-256.
    Hashed,
    /// This.
    Literal(&'static str),
}

/// A request to be signed.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    method: Method,
    target: String,
    pub(crate) headers: HeaderMap,
    body: Bytes,
    payload: Payload,
    at: jiff::Timestamp,
    region: &'static str,
}

/// A signed request and what its chunks continue from.
pub(crate) struct Signed {
    pub(crate) request: Request<Full<Bytes>>,
    pub(crate) signature: String,
    pub(crate) scope: String,
    pub(crate) date: String,
    pub(crate) key: [u8; 32],
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Ask {
    /// A request for a target whose escapes are canonical.
    pub(crate) fn new(method: Method, target: &str) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert("host", HeaderValue::from_static("localhost:9000"));
        Self {
            method,
            target: target.to_owned(),
            headers,
            body: Bytes::new(),
            payload: Payload::Hashed,
            at: jiff::Timestamp::now(),
            region: "us-east-1",
        }
    }

    pub(crate) fn get(target: &str) -> Self {
        Self::new(Method::GET, target)
    }

    pub(crate) fn head(target: &str) -> Self {
        Self::new(Method::HEAD, target)
    }

    pub(crate) fn delete(target: &str) -> Self {
        Self::new(Method::DELETE, target)
    }

    pub(crate) fn put(target: &str, body: impl Into<Bytes>) -> Self {
        Self::new(Method::PUT, target).body(body)
    }

    pub(crate) fn post(target: &str, body: impl Into<Bytes>) -> Self {
        Self::new(Method::POST, target).body(body)
    }

    pub(crate) fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        let value = HeaderValue::from_bytes(value.as_ref()).expect("a header");
        self.headers
            .append(HeaderName::try_from(name).expect("a header"), value);
        self
    }

    pub(crate) fn host(mut self, host: &str) -> Self {
        self.headers
            .insert("host", HeaderValue::try_from(host).expect("a host"));
        self
    }

    pub(crate) fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        if !self.body.is_empty() || self.method == Method::PUT || self.method == Method::POST {
            self.headers
                .insert("content-length", HeaderValue::from(self.body.len()));
        }
        self
    }

    /// A `Content-MD5` of the body.
    pub(crate) fn with_md5(self) -> Self {
        use base64::Engine as _;
        use md5::Digest as _;
        let md5 = base64::engine::general_purpose::STANDARD.encode(md5::Md5::digest(&self.body));
        self.header("content-md5", md5)
    }

    pub(crate) fn payload(mut self, payload: Payload) -> Self {
        self.payload = payload;
        self
    }

    pub(crate) fn at(mut self, at: jiff::Timestamp) -> Self {
        self.at = at;
        self
    }

    pub(crate) fn region(mut self, region: &'static str) -> Self {
        self.region = region;
        self
    }

    /// The request without any signature.
    pub(crate) fn unsigned(self) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::new(self.body));
        *request.method_mut() = self.method;
        *request.uri_mut() = self.target.parse().expect("a target");
        *request.headers_mut() = self.headers;
        request
    }

    /// The request signed by header; all of its headers are signed.
    pub(crate) fn sign(mut self, user: User) -> Signed {
        let date = self.at.strftime("%Y%m%dT%H%M%SZ").to_string();
        let payload = match &self.payload {
            Payload::Hashed => hex::encode(digest(&SHA256, &self.body)),
            Payload::Literal(text) => (*text).to_owned(),
        };
        self.headers
            .insert("x-amz-date", HeaderValue::try_from(&date).expect("a date"));
        self.headers.insert(
            "x-amz-content-sha256",
            HeaderValue::try_from(&payload).expect("a hash"),
        );
        let (path, query) = self.target.split_once('?').unwrap_or((&self.target, ""));
        let (names, headers) = canonical_headers(&self.headers);
        let head = format!("{}\n{path}\n{}\n", self.method, canonical_query(query));
        let tail = format!("\n{names}\n{payload}");
        let canonical = [head.as_bytes(), &headers, tail.as_bytes()].concat();
        let (signature, scope, key) = signature(user, &date, self.region, &canonical);
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential={}/{scope},SignedHeaders={names},Signature={signature}",
            user.access_key
        );
        self.headers.insert(
            "authorization",
            HeaderValue::try_from(authorization).expect("a header"),
        );
        Signed {
            request: self.unsigned(),
            signature,
            scope,
            date,
            key,
        }
    }

    /// The request with its signature in the query, valid for `expires` seconds. Only `host` and
    /// `x-amz-*` headers are signed.
    pub(crate) fn presign(mut self, user: User, expires: &str) -> Request<Full<Bytes>> {
        let date = self.at.strftime("%Y%m%dT%H%M%SZ").to_string();
        let day = date.get(..8).expect("a day");
        let credential = format!(
            "{}%2F{day}%2F{}%2Fs3%2Faws4_request",
            user.access_key, self.region
        );
        let signed: HeaderMap = self
            .headers
            .iter()
            .filter(|(name, _)| *name == "host" || name.as_str().starts_with("x-amz-"))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        let (names, headers) = canonical_headers(&signed);
        let (path, query) = self.target.split_once('?').unwrap_or((&self.target, ""));
        let separator = if query.is_empty() { "" } else { "&" };
        let query = format!(
            "{query}{separator}X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={credential}&X-Amz-Date={date}\
             &X-Amz-Expires={expires}&X-Amz-SignedHeaders={}",
            names.replace(';', "%3B")
        );
        let head = format!("{}\n{path}\n{}\n", self.method, canonical_query(&query));
        let tail = format!("\n{names}\nUNSIGNED-PAYLOAD");
        let canonical = [head.as_bytes(), &headers, tail.as_bytes()].concat();
        let (signature, _, _) = signature(user, &date, self.region, &canonical);
        self.target = format!("{path}?{query}&X-Amz-Signature={signature}");
        self.unsigned()
    }

    /// Asks as `user`.
    pub(crate) async fn by(self, house: &House, user: User) -> Answer {
        send(&house.service, self.sign(user).request).await
    }

    /// Asks as Alice.
    pub(crate) async fn ask(self, house: &House) -> Answer {
        self.by(house, ALICE).await
    }
}

/// Sends a request as it is.
pub(crate) async fn send(service: &S3Service<MemoryGateway>, request: Request<Full<Bytes>>) -> Answer {
    let (parts, body) = service.handle(request).await.into_parts();
    let body = body.collect().await.expect("a whole body").to_bytes();
    Answer {
        status: parts.status,
        headers: parts.headers,
        body,
    }
}

/// The names of the headers, and their lines.
fn canonical_headers(headers: &HeaderMap) -> (String, Vec<u8>) {
    let mut names: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
    names.sort_unstable();
    let line = |name: &&str| {
        let values: Vec<&[u8]> = headers
            .get_all(*name)
            .iter()
            .map(|value| value.as_bytes().trim_ascii())
            .collect();
        [name.as_bytes(), b":", &values.join(&b","[..]), b"\n"].concat()
    };
    (names.join(";"), names.iter().flat_map(line).collect())
}

fn canonical_query(query: &str) -> String {
    let mut pairs: Vec<String> = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            if pair.contains('=') {
                pair.to_owned()
            } else {
                format!("{pair}=")
            }
        })
        .collect();
    pairs.sort_unstable();
    pairs.join("&")
}

fn signature(user: User, date: &str, region: &str, canonical: &[u8]) -> (String, String, [u8; 32]) {
    let day = date.get(..8).expect("a day");
    let scope = format!("{day}/{region}/s3/aws4_request");
    let hash = hex::encode(digest(&SHA256, canonical));
    let mut key = format!("AWS4{}", user.secret).into_bytes();
    for step in [day, region, "s3", "aws4_request"] {
        key = mac(&key, step.as_bytes()).to_vec();
    }
    let signature = mac(
        &key,
        format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{hash}").as_bytes(),
    );
    (hex::encode(signature), scope, key.try_into().expect("32 bytes"))
}

pub(crate) fn mac(key: &[u8], text: &[u8]) -> [u8; 32] {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text)
        .as_ref()
        .try_into()
        .expect("32 bytes")
}

impl Answer {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("text")
    }

    /// The code of an error document, after its form was checked.
    pub(crate) fn code(&self) -> String {
        let text = self.text();
        assert!(
            text.starts_with("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>"),
            "{text}"
        );
        assert_eq!(self.header("content-type"), Some("application/xml"), "{text}");
        let id = self.header("x-amz-request-id").expect("a request id");
        assert_eq!(super::xml::values(text, "RequestId"), [id], "{text}");
        super::xml::values(text, "Code").remove(0)
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().expect("text"))
    }

    /// Asserts an error.
    #[track_caller]
    pub(crate) fn expect_error(&self, status: u16, code: &str) {
        assert_eq!(
            (self.status.as_u16(), self.code().as_str()),
            (status, code),
            "{}",
            self.text()
        );
    }

    /// Asserts success.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(
            self.status.as_u16(),
            status,
            "{:?} {}",
            self.headers,
            String::from_utf8_lossy(&self.body)
        );
        self
    }
}
