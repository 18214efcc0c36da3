"""boto3 against one node, with the defaults of the newest release: checksums in trailers, and in parts.

Usage: boto3_roundtrip.py ENDPOINT (credentials come from the environment)
"""

import hashlib
import io
import sys

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError, MissingDependencyException

ENDPOINT = sys.argv[1]
s3 = boto3.client("s3", endpoint_url=ENDPOINT, config=Config(retries={"max_attempts": 1}, signature_version="s3v4"))


def expect_error(code, call, **arguments):
    try:
        call(**arguments)
    except ClientError as error:
        assert error.response["Error"]["Code"] in code, error
        return error
    raise AssertionError(f"expected {code}")


def body(length, seed):
    block = hashlib.sha256(str(seed).encode()).digest()
    return (block * (length // len(block) + 1))[:length]


s3.create_bucket(Bucket="boto")
assert [b["Name"] for b in s3.list_buckets()["Buckets"]] == ["boto"]
s3.head_bucket(Bucket="boto")
s3.get_bucket_location(Bucket="boto")

for algorithm in [None, "CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"]:
    for length in [0, 1, 65_536, 1_000_000]:
        key = f"whole/{algorithm}/{length}"
        data = body(length, key)
        extra = {"ChecksumAlgorithm": algorithm} if algorithm else {}
        try:
            put = s3.put_object(Bucket="boto", Key=key, Body=data, Metadata={"colour": "blue"}, ContentType="text/x", **extra)
        except MissingDependencyException:  # CRC32C and CRC64NVME need an extension that may not be installed
            continue
        assert put["ETag"] == '"%s"' % hashlib.md5(data).hexdigest()
        got = s3.get_object(Bucket="boto", Key=key, ChecksumMode="ENABLED")
        assert got["Body"].read() == data
        assert got["Metadata"] == {"colour": "blue"} and got["ContentType"] == "text/x"
        head = s3.head_object(Bucket="boto", Key=key, ChecksumMode="ENABLED")
        wanted = f"Checksum{algorithm or 'CRC32'}"
        assert head[wanted] == put[wanted], (head, put)

data = body(20_000_000, "parts")
s3.upload_fileobj(
    io.BytesIO(data), "boto", "parts", Config=TransferConfig(multipart_threshold=5 << 20, multipart_chunksize=5 << 20)
)
assert s3.get_object(Bucket="boto", Key="parts")["Body"].read() == data
sink = io.BytesIO()
s3.download_fileobj("boto", "parts", sink, Config=TransferConfig(multipart_threshold=5 << 20, multipart_chunksize=5 << 20))
assert sink.getvalue() == data
assert s3.get_object(Bucket="boto", Key="parts", Range="bytes=5242870-5242889")["Body"].read() == data[5242870:5242890]

expect_error(["PreconditionFailed"], s3.put_object, Bucket="boto", Key="parts", Body=b"x", IfNoneMatch="*")
expect_error(["NoSuchKey"], s3.get_object, Bucket="boto", Key="none")
expect_error(["404"], s3.head_object, Bucket="boto", Key="none")
expect_error(["BucketNotEmpty"], s3.delete_bucket, Bucket="boto")
expect_error(["NoSuchBucket"], s3.list_objects_v2, Bucket="nowhere-at-all")

keys = []
for page in s3.get_paginator("list_objects_v2").paginate(Bucket="boto", PaginationConfig={"PageSize": 3}):
    keys += [item["Key"] for item in page.get("Contents", [])]
assert keys == sorted(keys) and "parts" in keys
prefixes = s3.list_objects_v2(Bucket="boto", Delimiter="/")
assert [p["Prefix"] for p in prefixes["CommonPrefixes"]] == ["whole/"]
url = s3.generate_presigned_url("get_object", Params={"Bucket": "boto", "Key": "parts"})
import urllib.request

assert urllib.request.urlopen(url).read() == data

for start in range(0, len(keys), 7):
    answer = s3.delete_objects(
        Bucket="boto", Delete={"Objects": [{"Key": k} for k in keys[start : start + 7]], "Quiet": False}
    )
    assert "Errors" not in answer, answer
assert s3.list_objects_v2(Bucket="boto")["KeyCount"] == 0
s3.delete_bucket(Bucket="boto")
print("ok")
