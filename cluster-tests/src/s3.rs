//! A small S3 client: signs by header, sends, and gives back what came, whatever it was.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::{Digest, Sha256};

const QUERY: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');
const PATH: &AsciiSet = &QUERY.remove(b'/');

/// How long an answer may take. Far above what a busy machine needs: a request that hangs fails its
/// test instead of stopping it.
const PATIENCE: Duration = Duration::from_secs(120);

/// A client of one node with one key.
#[derive(Debug, Clone)]
pub struct Client {
    address: SocketAddr,
    access_key: String,
    secret_key: String,
    http: HttpClient<HttpConnector, Full<Bytes>>,
}

/// What came back.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
}

impl Answer {
    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// A header as text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The text of the first XML element of this name.
    pub fn element(&self, name: &str) -> Option<String> {
        elements(&self.text(), name).into_iter().next()
    }

    /// The texts of all XML elements of this name.
    pub fn elements(&self, name: &str) -> Vec<String> {
        elements(&self.text(), name)
    }

    /// Expects a status.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{}", self.text());
        self
    }
}

fn elements(text: &str, name: &str) -> Vec<String> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    text.split(&open)
        .skip(1)
        .filter_map(|rest| rest.split_once(&close).map(|(inner, _)| inner.to_owned()))
        .collect()
}

/// Something sent that got no answer: whether it happened is unknown.
#[derive(Debug)]
pub struct NoAnswer(pub String);

impl Client {
    /// A client of the node at `address`.
    pub fn new(address: SocketAddr, access_key: &str, secret_key: &str) -> Self {
        let http = HttpClient::builder(TokioExecutor::new()).build(HttpConnector::new());
        Self {
            address,
            access_key: access_key.to_owned(),
            secret_key: secret_key.to_owned(),
            http,
        }
    }

    /// Sends a signed request.
    ///
    /// # Errors
    /// No answer came.
    pub async fn try_send(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, &str)],
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Result<Answer, NoAnswer> {
        let body = body.into();
        let request = self.sign(method, path, query, headers, &body);
        tokio::time::timeout(PATIENCE, self.exchange(request))
            .await
            .map_err(|_| NoAnswer(format!("nothing for {PATIENCE:?}")))?
    }

    async fn exchange(&self, request: Request<Full<Bytes>>) -> Result<Answer, NoAnswer> {
        let response = self
            .http
            .request(request)
            .await
            .map_err(|error| NoAnswer(format!("{error:?}")))?;
        let (parts, body) = response.into_parts();
        let body = body
            .collect()
            .await
            .map_err(|error| NoAnswer(error.to_string()))?
            .to_bytes();
        Ok(Answer {
            status: parts.status,
            headers: parts.headers,
            body,
        })
    }

    /// Sends a signed request and expects any answer.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, &str)],
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Answer {
        self.try_send(method, path, query, headers, body)
            .await
            .expect("an answer")
    }

    /// PUT of a bucket or an object.
    pub async fn put(&self, path: &str, body: impl Into<Bytes>) -> Answer {
        self.send(Method::PUT, path, &[], &[], body).await
    }

    /// GET.
    pub async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, &[], &[], Bytes::new()).await
    }

    /// HEAD.
    pub async fn head(&self, path: &str) -> Answer {
        self.send(Method::HEAD, path, &[], &[], Bytes::new()).await
    }

    /// DELETE.
    pub async fn delete(&self, path: &str) -> Answer {
        self.send(Method::DELETE, path, &[], &[], Bytes::new()).await
    }

    /// All keys of a bucket, page by page.
    pub async fn list(&self, bucket: &str) -> Vec<String> {
        let mut keys = Vec::new();
        let mut token: Option<String> = None;
        loop {
            let mut query = vec![("list-type", "2")];
            query.extend(token.as_deref().map(|token| ("continuation-token", token)));
            let page = self
                .send(Method::GET, &format!("/{bucket}"), &query, &[], Bytes::new())
                .await
                .expect(200);
            keys.extend(page.elements("Key"));
            token = page.element("NextContinuationToken");
            if token.is_none() {
                return keys;
            }
        }
    }

    /// Where it sends to.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn sign(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, &str)],
        headers: &[(&str, &str)],
        body: &Bytes,
    ) -> Request<Full<Bytes>> {
        let timestamp = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ").to_string();
        let date = timestamp[..8].to_owned();
        let path = utf8_percent_encode(path, PATH).to_string();
        let mut query: Vec<(String, String)> = query.iter().map(|(n, v)| (escape(n), escape(v))).collect();
        query.sort();
        let query = query
            .iter()
            .map(|(n, v)| format!("{n}={v}"))
            .collect::<Vec<_>>()
            .join("&");
        let payload = hex::encode(Sha256::digest(body));
        let mut all: Vec<(String, String)> = headers
            .iter()
            .map(|(n, v)| (n.to_ascii_lowercase(), (*v).to_owned()))
            .collect();
        all.push(("host".to_owned(), self.address.to_string()));
        all.push(("x-amz-content-sha256".to_owned(), payload.clone()));
        all.push(("x-amz-date".to_owned(), timestamp.clone()));
        all.sort();
        let names = all.iter().map(|(n, _)| n.as_str()).collect::<Vec<_>>().join(";");
        let lines: String = all.iter().map(|(n, v)| format!("{n}:{v}\n")).collect();
        let canonical = format!("{method}\n{path}\n{query}\n{lines}\n{names}\n{payload}");
        let scope = format!("{date}/us-east-1/s3/aws4_request");
        let to_sign = format!(
            "AWS4-HMAC-SHA256\n{timestamp}\n{scope}\n{}",
            hex::encode(Sha256::digest(canonical.as_bytes()))
        );
        let mut key = mac(format!("AWS4{}", self.secret_key).as_bytes(), date.as_bytes());
        for step in ["us-east-1", "s3", "aws4_request"] {
            key = mac(&key, step.as_bytes());
        }
        let signature = hex::encode(mac(&key, to_sign.as_bytes()));
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={names}, Signature={signature}",
            self.access_key
        );
        let question = if query.is_empty() { "" } else { "?" };
        let method_has_body = matches!(method, Method::PUT | Method::POST);
        let uri = format!("http://{}{path}{question}{query}", self.address);
        let mut request = Request::builder()
            .method(method)
            .uri(uri)
            .header("authorization", authorization);
        if method_has_body {
            request = request.header("content-length", body.len());
        }
        for (name, value) in all.iter().filter(|(name, _)| name != "host") {
            request = request.header(name, value);
        }
        request.body(Full::new(body.clone())).expect("a request")
    }
}

fn escape(text: &str) -> String {
    utf8_percent_encode(text, QUERY).to_string()
}

fn mac(key: &[u8], message: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key of any length");
    mac.update(message);
    mac.finalize().into_bytes().to_vec()
}

/// The ETag of a body written in one piece, with quotes.
pub fn etag_of(body: &[u8]) -> String {
    format!("\"{}\"", hex::encode(md5::Md5::digest(body)))
}
