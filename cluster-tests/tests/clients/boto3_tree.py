"""Carries a tree into a bucket or out of it with boto3 as it comes: its own checksums, retries and parts.

    boto3_tree.py ENDPOINT BUCKET in|out FOLDER
"""

import concurrent.futures
import pathlib
import sys

import boto3
import botocore.config

# Files at once, as aws-cli has them.
WORKERS = 10


def carry_in(client, bucket, root):
    for path in sorted(root.rglob("*")):
        if path.is_file():
            yield lambda path=path: client.upload_file(str(path), bucket, path.relative_to(root).as_posix())


def carry_out(client, bucket, root):
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket):
        for entry in page.get("Contents", []):
            path = root / entry["Key"]
            path.parent.mkdir(parents=True, exist_ok=True)
            yield lambda path=path, key=entry["Key"]: client.download_file(bucket, key, str(path))


def main():
    endpoint, bucket, direction, folder = sys.argv[1:]
    # No read timeout: whoever waits for an answer that never comes is to wait for ever, and be found.
    config = botocore.config.Config(read_timeout=None, max_pool_connections=WORKERS)
    client = boto3.client("s3", endpoint_url=endpoint, config=config)
    carry = {"in": carry_in, "out": carry_out}[direction]
    with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
        jobs = [pool.submit(job) for job in carry(client, bucket, pathlib.Path(folder))]
    for job in jobs:
        job.result()


main()
