"""Writes botocore.json: requests as botocore signs them, to be verified by the tests of auth and body.

Run with a Python that has boto3, from this folder: python3 generate.py
"""

import base64
import datetime
import hashlib
import io
import json
from urllib.parse import quote, urlsplit

import boto3
import botocore
import botocore.auth
from botocore.awsrequest import AWSRequest, AWSResponse
from botocore.config import Config
from botocore.credentials import Credentials

ACCESS_KEY = "AKIAIOSFODNN7EXAMPLE"
SECRET_KEY = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
HOST = "s3.example.com"
CREDENTIALS = Credentials(ACCESS_KEY, SECRET_KEY)
botocore.auth.get_current_datetime = lambda remove_tzinfo=True: datetime.datetime(2013, 5, 24)

KEYS = [
    "plain.txt", "a b", "a+b", "a%20b", "a%2Fb", "a%252Fb", "a//b", "/lead", "trail/", "./x", "../x", "a/./b",
    "a/../b", "~tilde", "a~b", "$dollar", "a&b=c", "a?b", "a#b", "semi;colon", "comma,", "colon:", "at@", "excl!",
    "star*", "quote'", 'dquote"', "(paren)", "[brack]", "{brace}", "back\\slash", "pipe|", "caret^", "tick`",
    "<angle>", "per%cent", "\u00e4\u00f6\u00fc", "\u65e5\u672c\u8a9e", "\U0001f600", "e\u0301", "\u202ertl",
    "tab\there", "control\u0001", "nbsp\u00a0x", "=", "a=b", "-_.", "UPPER",
]
QUERIES = [
    "", "acl=", "acl", "prefix=a%20b&list-type=2", "list-type=2&prefix=", "delimiter=%2F&prefix=a%2Fb%2F",
    "prefix=a%2Bb", "prefix=%E6%97%A5", "a=2&a=1", "a=1&a=1", "b=1&a=2", "a-b=1&a=2", "A=1&a=2", "key=%7E~",
    "partNumber=1&uploadId=x%2By%3D%3D", "marker=%25", "x-id=GetObject", "max-keys=2&prefix=J",
]
HEADERS = [
    {}, {"Content-Type": "text/plain; charset=utf-8"}, {"x-amz-meta-a": "one"},
    {"x-amz-meta-spaces": "  two   spaces  "}, {"X-Amz-Meta-CASE": "MixedCase"}, {"x-amz-meta-tab": "a\tb"},
    {"x-amz-meta-empty": ""}, {"x-amz-meta-a-b": "1", "x-amz-meta-a": "2", "x-amz-meta-a_b": "3"},
    {"Range": "bytes=0-9"}, {"Content-MD5": "1B2M2Y8AsgTpgAmY7PhCfg=="}, {"x-amz-storage-class": "STANDARD"},
]
# Never signed, and different in every run.
UNSIGNED = ["user-agent", "amz-sdk-invocation-id", "amz-sdk-request"]
DATA = b"Welcome to Amazon S3. " * 20

requests = []


def record(name, method, url, headers, body=None):
    parts = urlsplit(url)
    target = (parts.path or "/") + ("?" + parts.query if parts.query else "")
    entry = {"name": name, "method": method, "target": target, "headers": headers}
    if body is not None:
        entry["body"] = base64.b64encode(body).decode()
    requests.append(entry)


def request(method, path, query, headers, body=None):
    url = f"https://{HOST}{path}" + ("?" + query if query else "")
    return AWSRequest(method=method, url=url, headers={**headers, "Host": HOST}, data=body)


def by_header(name, method, path, query="", headers={}, body=b""):
    signed = request(method, path, query, headers, body)
    signed.context["payload_signing_enabled"] = True
    botocore.auth.S3SigV4Auth(CREDENTIALS, "s3", "us-east-1").add_auth(signed)
    record(f"header, {name}", method, signed.url, list(signed.headers.items()))


def presigned(name, method, path, query="", headers={}, expires=3600):
    signed = request(method, path, query, headers)
    botocore.auth.S3SigV4QueryAuth(CREDENTIALS, "s3", "us-east-1", expires=expires).add_auth(signed)
    record(f"presigned, {name}", method, signed.url, list(signed.headers.items()))


def signers():
    for key in KEYS:
        path = "/bucket/" + quote(key.encode(), safe="/~")
        by_header(f"key {key!r}", "GET", path)
        presigned(f"key {key!r}", "GET", path)
    for query in QUERIES:
        by_header(f"query {query!r}", "GET", "/bucket", query)
        # The presigner keeps one value of a repeated name.
        if query not in ("a=2&a=1", "a=1&a=1"):
            presigned(f"query {query!r}", "GET", "/bucket/key", query, expires=604800)
    for headers in HEADERS:
        by_header(f"headers {headers!r}", "PUT", "/bucket/key", headers=headers, body=DATA)
        presigned(f"headers {headers!r}", "PUT", "/bucket/key", headers=headers, expires=1)
    for method in ["GET", "HEAD", "PUT", "POST", "DELETE"]:
        by_header(f"method {method}", method, "/bucket/key")


class Empty:
    def stream(self, *_args, **_kwargs):
        return iter([b""])


def client(scheme, style):
    """A client whose requests are recorded instead of sent."""
    s3 = boto3.client(
        "s3", endpoint_url=f"{scheme}://{HOST}", region_name="us-east-1", aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
        config=Config(s3={"addressing_style": style}, retries={"max_attempts": 1}))

    def stop(request, **_kwargs):
        body = request.body or b""
        body = body.read() if hasattr(body, "read") else body
        body = body.encode() if isinstance(body, str) else body
        headers = {name: value.decode() if isinstance(value, bytes) else value
                   for name, value in request.headers.items()
                   if name.lower() not in UNSIGNED}
        headers.setdefault("Host", urlsplit(request.url).netloc)
        s3.recorded = (request.method, request.url, list(headers.items()), body)
        return AWSResponse(request.url, 200, {}, Empty())

    s3.meta.events.register("before-send.s3", stop)
    return s3


def clients():
    for scheme in ["http", "https"]:
        for style in ["path", "virtual"]:
            s3 = client(scheme, style)

            def call(name, operation, **arguments):
                s3.recorded = None
                try:
                    getattr(s3, operation)(Bucket="bucket", **arguments)
                except Exception:
                    # The answer is empty, which not every operation can read.
                    if s3.recorded is None:
                        raise
                record(f"{scheme}, {style}, {name}", *s3.recorded)

            if style == "path":
                for key in KEYS:
                    call(f"get {key!r}", "get_object", Key=key)
            call("put", "put_object", Key="key", Body=DATA, Metadata={"a": " x  y ", "b": ""},
                 ContentType="text/plain")
            call("put empty", "put_object", Key="key", Body=b"")
            for algorithm in ["CRC32", "SHA1", "SHA256"]:
                call(f"put {algorithm}", "put_object", Key="key", Body=io.BytesIO(DATA),
                     ChecksumAlgorithm=algorithm)
            md5 = base64.b64encode(hashlib.md5(DATA).digest()).decode()
            call("put with MD5", "put_object", Key="key", Body=DATA, ContentMD5=md5)
            call("part", "upload_part", Key="key", PartNumber=1, UploadId="a+b/c==", Body=io.BytesIO(DATA))
            call("delete many", "delete_objects", Delete={"Objects": [{"Key": "a"}, {"Key": "b"}]})
            call("list", "list_objects_v2", Prefix="a b+c/\u00e4", Delimiter="/", StartAfter="x&y=z")
            call("copy", "copy_object", Key="key", CopySource={"Bucket": "bucket", "Key": "a b+\u00e4"})


signers()
clients()
with open("botocore.json", "w", encoding="ascii") as file:
    head = {"signer": f"botocore {botocore.__version__}", "access_key": ACCESS_KEY, "secret_key": SECRET_KEY,
            "time": "20130524T000000Z"}
    file.write(json.dumps(head)[:-1] + ', "requests": [\n')
    file.write(",\n".join(json.dumps(entry) for entry in requests) + "\n]}\n")
print(len(requests), "requests")
