#!/usr/bin/env python3
"""Reads what Holdfast stores on backends, without Holdfast.

Written from docs/reference/blob-format.md alone, as a second opinion on it and as a last resort:
with a keyring object, the master key and a blob it yields the bytes and the footer.

    blob_reader.py --keyring KEYRING --master-key-file FILE BLOB > BODY
    blob_reader.py --clear BLOB > BODY                       (a blob that was stored unencrypted)
    blob_reader.py --footer-only ... BLOB                    (what it says about itself, as JSON)
    blob_reader.py --self-test DIRECTORY                     (the golden files and alterations of them)

The body goes to standard output, the footer as JSON to standard error. Needs requirements.txt.
"""

import argparse
import base64
import hmac
import json
import pathlib
import struct
import sys
from dataclasses import dataclass

import xxhash
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF, HKDFExpand
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap_with_padding

HEADER_LEN = 32
TRAILER_LEN = 184
TAG_LEN = 16
MAX_FOOTER_LEN = 32 << 10
MAX_PLAINTEXT_LEN = 1 << 30
CLUSTER_SECRET = b"cluster-secret\0\0"
ZERO_NONCE = bytes(12)


class Damaged(Exception):
    """The bytes are not what was stored, or the key is not the one they were stored with."""


def require(condition, reason):
    if not condition:
        raise Damaged(reason)


# ---- Primitives ----


def xxh3_128(*parts):
    """Canonical (big-endian) XXH3-128 with seed 0 of the concatenation."""
    state = xxhash.xxh3_128()
    for part in parts:
        state.update(part)
    return state.digest()


def _crc64_table():
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = (byte >> 1) ^ (0x9A6C9329AC4BC9B5 if byte & 1 else 0)
        table.append(byte)
    return table


_CRC64_TABLE = _crc64_table()


def crc64_nvme(data):
    """CRC-64/NVME: reflected, initial value and final xor all ones."""
    crc = 0xFFFFFFFFFFFFFFFF
    for byte in data:
        crc = _CRC64_TABLE[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return crc ^ 0xFFFFFFFFFFFFFFFF


def hkdf(salt, key, info, length=32):
    return HKDF(algorithm=hashes.SHA256(), length=length, salt=salt, info=info).derive(key)


def hkdf_expand(prk, info, length=32):
    return HKDFExpand(algorithm=hashes.SHA256(), length=length, info=info).derive(prk)


def unwrap(wrapping_key, wrapped, what):
    try:
        key = aes_key_unwrap_with_padding(wrapping_key, wrapped)
    except InvalidUnwrap:
        raise Damaged(f"{what} does not unwrap") from None
    require(len(key) == 32 and key.count(key[0]) != 32, f"{what} unwraps to what cannot be a key")
    return key


def gcm_open(key, nonce, ciphertext_and_tag, aad, what):
    try:
        return AESGCM(key).decrypt(nonce, ciphertext_and_tag, aad)
    except InvalidTag:
        raise Damaged(f"{what} fails its check") from None


# ---- Protobuf, as far as it is used: varints and length-delimited fields ----


def fields(data):
    """Yields (field number, value); a value is an int or bytes."""
    at = 0

    def varint():
        nonlocal at
        value, shift = 0, 0
        while True:
            require(at < len(data) and shift < 70, "a varint does not end")
            byte = data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(data):
        tag = varint()
        if tag & 7 == 0:
            yield tag >> 3, varint()
        elif tag & 7 == 2:
            length = varint()
            require(at + length <= len(data), "a field is longer than its message")
            yield tag >> 3, bytes(data[at : at + length])
            at += length
        else:
            raise Damaged(f"wire type {tag & 7} is not used")


def message(data):
    """All values by field number, in order."""
    values = {}
    for number, value in fields(data):
        values.setdefault(number, []).append(value)
    return values


def one(values, number, default):
    return values.get(number, [default])[-1]


def text(values, number):
    return one(values, number, b"").decode("utf-8")


# ---- Keyring ----


class Keyring:
    """The bucket keys of a keyring object, unwrapped."""

    def __init__(self, data, master_key):
        require(data[:8] == b"HOLDKEYS", "not a keyring object")
        require(data[8] == 1, f"keyring version {data[8]}")
        require(len(data) >= 24 + 32 + 16, "the keyring object is too short")
        require(xxh3_128(data[:-16]) == data[-16:], "the keyring object's checksum does not hold")
        covered, mac = data[:-48], data[-48:-16]
        authority, signer, length = data[9], *struct.unpack(">II", data[12:20])
        require(data[10:12] == b"\0\0" and data[20:24] == b"\0\0\0\0", "reserved bytes of the keyring object")
        require(length == len(covered) - 24, "the keyring object's length")
        contents = message(covered[24:])
        self.cluster = one(contents, 1, b"")
        self.domain = one(contents, 2, b"")
        self.incarnation = one(contents, 3, 0)
        self.revision = one(contents, 4, 0)
        masters = {one(m, 1, 0): m for m in map(message, contents.get(6, []))}
        self.buckets = {one(b, 1, 0): self._bucket(b) for b in map(message, contents.get(7, []))}
        keys = [message(k) for k in contents.get(8, [])]
        require(one(contents, 5, 0) == signer, "the keyring object's active master key")
        self.keys = {}
        if authority == 0:
            require(signer == 0 and not keys and mac == bytes(32), "keys that nothing authenticates")
            return
        require(authority == 1 and signer in masters, "the keyring object's authority")
        require(master_key is not None, f"master key version {signer} is needed")
        # The check value tells whether this is the right key before anything is blamed on damage.
        check = self._derive(master_key, b"holdfast/wrap-master-check/v1\0", struct.pack(">I", signer))
        unwrap(check, one(masters[signer], 2, b""), f"the check value of master key version {signer}")
        mac_key = self._derive(master_key, b"holdfast/keyring/v1\0", struct.pack(">I", signer))
        require(hmac.compare_digest(hmac.digest(mac_key, covered, "sha256"), mac), "the keyring object was altered")
        for key in keys:
            key_id, version, bucket, master = one(key, 1, b""), one(key, 2, 0), one(key, 3, 0), one(key, 4, 0)
            if master != signer:
                continue  # wrapped by another version of the master key
            info = struct.pack(">IQ", master, bucket) + key_id + struct.pack(">I", version)
            wrapping = self._derive(master_key, b"holdfast/wrap-bucket-key/v1\0", info)
            self.keys[key_id, version] = unwrap(wrapping, one(key, 5, b""), f"bucket key {key_id.hex()}")

    def _derive(self, key, label, info):
        return hkdf(self.domain, key, label + info)

    @staticmethod
    def _bucket(bucket):
        return {"name": text(bucket, 2), "versioning": one(bucket, 3, 0)}

    def data_key(self, trailer):
        require(trailer.domain == self.domain, "the blob belongs to another encryption domain")
        bucket_key = self.keys.get((trailer.key_id, trailer.key_version))
        require(bucket_key is not None, f"bucket key {trailer.key_id.hex()} version {trailer.key_version} is unknown")
        info = trailer.key_id + struct.pack(">I", trailer.key_version) + trailer.header[16:]
        wrapping = self._derive(bucket_key, b"holdfast/wrap-data-key/v1\0", info)
        return unwrap(wrapping, trailer.wrapped, "the blob's data key")


# ---- Blob ----


@dataclass
class Trailer:
    """The last 184 bytes of a blob."""

    raw: bytes
    header: bytes
    suite: int
    chunk: int
    plaintext_len: int
    domain: bytes
    key_id: bytes
    key_version: int
    wrapped: bytes
    commitment: bytes
    footer_len: int

    @classmethod
    def parse(cls, blob):
        require(len(blob) >= HEADER_LEN + TAG_LEN + TRAILER_LEN and blob[-8:] == b"HOLDFTR1", "not a blob")
        raw = blob[-TRAILER_LEN:]
        require(raw[158] == 1, f"footer version {raw[158]}")
        require(xxh3_128(raw[:160]) == raw[160:176], "the trailer's checksum does not hold")
        header = raw[:HEADER_LEN]
        require(header[:8] == b"HOLDFST1" and header[8] == 1, "the trailer's header")
        suite, log2 = header[9], header[10]
        require(suite in (0, 1) and 12 <= log2 <= 20 and header[11:16] == bytes(5), "the trailer's header")
        plaintext_len, domain, key_id, key_version, reserved = struct.unpack(">Q16s16sII", raw[32:80])
        footer_len, trailer_len = struct.unpack(">IH", raw[152:158])
        require(reserved == 0 and raw[159] == 0, "the trailer's reserved bytes")
        require(trailer_len == TRAILER_LEN, "the trailer's length")
        require(TRAILER_LEN + TAG_LEN <= footer_len <= MAX_FOOTER_LEN, "the footer's length")
        require(plaintext_len <= MAX_PLAINTEXT_LEN, "the plaintext's length")
        require(suite == 1 or raw[40:152] == bytes(112), "a key in a clear blob's trailer")
        require(suite == 0 or (key_version == 0) == (key_id == CLUSTER_SECRET), "the key version")
        return cls(
            raw, header, suite, 1 << log2, plaintext_len, domain, key_id, key_version,
            raw[80:120], raw[120:152], footer_len,
        )

    @property
    def chunks(self):
        return max(1, -(-self.plaintext_len // self.chunk))

    @property
    def body_len(self):
        return HEADER_LEN + self.plaintext_len + self.chunks * TAG_LEN


class Blob:
    """A stored blob. `data_key` is None for suite 0, which the caller must have asked for."""

    def __init__(self, stored, data_key):
        self.stored = stored
        self.trailer = trailer = Trailer.parse(stored)
        require(len(stored) == trailer.body_len + trailer.footer_len, "the blob's length")
        require(stored[:HEADER_LEN] == trailer.header, "header and trailer disagree")
        require((trailer.suite == 1) == (data_key is not None), f"the blob is of suite {trailer.suite}")
        if data_key is None:
            return
        derive = lambda label, length: hkdf(trailer.domain, data_key, label + trailer.header, length)
        require(
            hmac.compare_digest(derive(b"holdfast/commitment/v1\0", 32), trailer.commitment),
            "the data key does not match the commitment",
        )
        self.chunk_key = derive(b"holdfast/chunk-key/v1\0", 32)
        self.nonce_prefix = derive(b"holdfast/chunk-nonce/v1\0", 7)
        self.footer_key = derive(b"holdfast/footer-key/v1\0", 32)

    def chunk(self, index):
        """Plaintext of one chunk."""
        trailer = self.trailer
        at = HEADER_LEN + index * (trailer.chunk + TAG_LEN)
        sealed = self.stored[at : min(at + trailer.chunk + TAG_LEN, trailer.body_len)]
        place = struct.pack(">IB", index, index == trailer.chunks - 1)
        if trailer.suite == 1:
            return gcm_open(self.chunk_key, self.nonce_prefix + place, sealed, trailer.header + place, f"chunk {index}")
        data, tag = sealed[:-TAG_LEN], sealed[-TAG_LEN:]
        require(xxh3_128(trailer.header, place, data) == tag, f"chunk {index} fails its check")
        return data

    def body(self):
        return b"".join(self.chunk(index) for index in range(self.trailer.chunks))

    def range(self, start, end):
        """Plaintext bytes start to end - 1, from the chunks that hold them and no others."""
        require(0 <= start < end <= self.trailer.plaintext_len, "a range outside the blob")
        first, last = start // self.trailer.chunk, (end - 1) // self.trailer.chunk
        data = b"".join(self.chunk(index) for index in range(first, last + 1))
        offset = first * self.trailer.chunk
        return data[start - offset : end - offset]

    def footer(self):
        trailer = self.trailer
        sealed = self.stored[trailer.body_len : -TRAILER_LEN]
        if trailer.suite == 1:
            padded = gcm_open(self.footer_key, ZERO_NONCE, sealed, trailer.raw, "the footer")
        else:
            padded, tag = sealed[:-TAG_LEN], sealed[-TAG_LEN:]
            require(xxh3_128(b"holdfast/footer-key/v1\0", trailer.raw, padded) == tag, "the footer fails its check")
        (length,) = struct.unpack(">I", padded[:4])
        require(4 + length <= len(padded) and not any(padded[4 + length :]), "the footer's padding")
        return footer_facts(message(padded[4 : 4 + length]))


def footer_facts(payload):
    entries = lambda number: [[text(entry, 1), text(entry, 2)] for entry in map(message, payload.get(number, []))]
    upload, body = one(payload, 5, None), one(payload, 15, None)
    return {
        "cluster": one(payload, 1, b"").hex(),
        "bucket": one(payload, 2, 0),
        "bucket_name": text(payload, 3),
        "object_key": text(payload, 4),
        "upload": upload if upload is None else upload_facts(message(upload)),
        "body_id": one(payload, 6, b"").hex(),
        "index": one(payload, 7, 0),
        "offset": one(payload, 8, 0),
        "system_metadata": entries(9),
        "user_metadata": entries(10),
        "incarnation": one(payload, 11, 0),
        "read_index": one(payload, 12, 0),
        "unix_ms": one(payload, 13, 0),
        "content_len": one(payload, 14, 0),
        "body": body if body is None else body_facts(message(body)),
    }


def upload_facts(upload):
    return {"upload_id": one(upload, 1, b"").hex(), "part_number": one(upload, 2, 0)}


def body_facts(body):
    checksums = [[one(c, 1, 0), one(c, 2, b"").hex()] for c in map(message, body.get(3, []))]
    return {"len": one(body, 1, 0), "etag": text(body, 2), "checksums": checksums}


def open_blob(stored, keyring):
    """`keyring` is None for a blob that the caller knows to be unencrypted."""
    return Blob(stored, None if keyring is None else keyring.data_key(Trailer.parse(stored)))


# ---- Messages under the cluster secret ----


class ClusterSecret:
    def __init__(self, secret):
        self.prk = hmac.digest(b"holdfast/cluster-secret/v1\0", secret, "sha256")

    def _label(self, purpose):
        return b"holdfast/secret/" + purpose.encode() + b"/v1\0"

    def open(self, purpose, aad, sealed):
        require(len(sealed) >= 41 and sealed[0] == 1, "not a sealed message")
        key = hkdf_expand(self.prk, self._label(purpose) + b"seal\0" + sealed[1:25])
        return gcm_open(key, ZERO_NONCE, sealed[25:], aad, "the sealed message")

    def mac(self, purpose, data):
        return hmac.digest(hkdf_expand(self.prk, self._label(purpose) + b"mac\0"), data, "sha256")


# ---- Self-test ----


def golden_plaintext(length, content_len):
    data = bytes((131 * i + 17 * (i >> 8)) & 255 for i in range(content_len))
    return data + bytes(length - content_len)


def refused(what, attempt):
    try:
        attempt()
    except Damaged:
        return
    raise AssertionError(f"{what} was accepted")


def check_blob(stored, keyring, expected):
    name = expected["file"]
    assert len(stored) == expected["stored_len"], name
    assert f"{crc64_nvme(stored):016x}" == expected["crc64_nvme"], name
    blob = open_blob(stored, keyring if expected["suite"] == 1 else None)
    trailer = blob.trailer
    assert (trailer.suite, trailer.chunk) == (expected["suite"], 1 << expected["chunk_log2"]), name
    assert trailer.header[16:].hex() == expected["blob"], name
    if (encryption := expected["encryption"]) is not None:
        assert trailer.domain.hex() == encryption["domain"], name
        assert trailer.key_id.hex() == encryption["key_id"], name
        assert trailer.key_version == encryption["key_version"], name
        assert trailer.wrapped.hex() == encryption["wrapped"], name
        assert trailer.commitment.hex() == encryption["commitment"], name
    plaintext = golden_plaintext(expected["plaintext_len"], expected["footer"]["content_len"])
    assert blob.body() == plaintext, name
    assert blob.footer() == expected["footer"], name
    edges = {0, 1, len(plaintext) - 1, len(plaintext)}
    for boundary in range(0, len(plaintext) + 1, trailer.chunk):
        edges |= {boundary - 1, boundary, boundary + 1}
    edges = sorted(edge for edge in edges if 0 <= edge <= len(plaintext))
    for start in edges:
        for end in (edge for edge in edges if edge > start):
            assert blob.range(start, end) == plaintext[start:end], (name, start, end)


def check_alterations(stored, keyring, others):
    def read(data):
        blob = open_blob(bytes(data), keyring)
        blob.body()
        blob.footer()

    read(stored)
    for at in range(len(stored)):
        altered = bytearray(stored)
        altered[at] ^= 1 << (at % 8)
        refused(f"byte {at} flipped", lambda: read(altered))
    for cut in {0, 1, 31, 32, 33, len(stored) - 185, len(stored) - 184, len(stored) - 1}:
        refused(f"cut at {cut}", lambda: read(stored[:cut]))
    refused("a byte appended", lambda: read(stored + b"\0"))
    for other in others:
        body_len = Trailer.parse(stored).body_len
        refused("another blob's footer", lambda: read(stored[:body_len] + other[Trailer.parse(other).body_len :]))
        refused("another blob's header", lambda: read(other[:HEADER_LEN] + stored[HEADER_LEN:]))


def self_test(directory):
    manifest = json.loads((directory / "manifest.json").read_text("utf-8"))
    master_key = base64.b64decode(manifest["master_key"], validate=True)
    object_bytes = (directory / manifest["keyring"]).read_bytes()
    keyring = Keyring(object_bytes, master_key)
    assert keyring.buckets[42] == {"name": "golden", "versioning": 1}
    assert len(keyring.keys) == 2
    refused("a keyring under another master key", lambda: Keyring(object_bytes, bytes(range(32))))
    refused("a keyring without its master key", lambda: Keyring(object_bytes, None))
    for at in range(len(object_bytes)):
        altered = bytearray(object_bytes)
        altered[at] ^= 1
        refused(f"byte {at} of the keyring flipped", lambda: Keyring(bytes(altered), master_key))
        rehashed = bytes(altered[:-16]) + xxh3_128(bytes(altered[:-16]))
        if at < len(object_bytes) - 16:
            refused(f"byte {at} of the keyring flipped, checksum renewed", lambda: Keyring(rehashed, master_key))
    Keyring((directory / manifest["keyring_without_keys"]).read_bytes(), None)

    stored = {blob["file"]: (directory / blob["file"]).read_bytes() for blob in manifest["blobs"]}
    for expected in manifest["blobs"]:
        check_blob(stored[expected["file"]], keyring, expected)
    for suite, ring in (("clear", None), ("sealed", keyring)):
        others = [stored[f"{suite}-4k-4096.blob"], stored[f"{suite}-inner.blob"]]
        check_alterations(stored[f"{suite}-4k-1.blob"], ring, others)
        check_alterations(stored[f"{suite}-4k-4097.blob"], ring, others)
    refused("a sealed blob as a clear one", lambda: open_blob(stored["sealed-4k-1.blob"], None))
    refused("a clear blob as a sealed one", lambda: open_blob(stored["clear-4k-1.blob"], keyring))

    secret = ClusterSecret(base64.b64decode(manifest["cluster_secret"]["secret"], validate=True))
    for vector in manifest["cluster_secret"]["vectors"]:
        purpose, aad, sealed = vector["purpose"], vector["aad"].encode(), bytes.fromhex(vector["sealed"])
        assert secret.open(purpose, aad, sealed) == vector["message"].encode(), purpose
        assert secret.mac(purpose, vector["message"].encode()).hex() == vector["mac"], purpose
        refused("other associated data", lambda: secret.open(purpose, aad + b"x", sealed))
    print(f"{len(stored)} golden blobs read, every alteration refused")


# ---- Command line ----


def read_key(path):
    data = path.read_bytes()
    key = data if len(data) == 32 else base64.b64decode(data.strip(), validate=True)
    require(len(key) == 32, "a master key has 32 bytes")
    return key


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--self-test", metavar="DIRECTORY", type=pathlib.Path)
    parser.add_argument("--keyring", type=pathlib.Path, help="the keyring object")
    parser.add_argument("--master-key-file", type=pathlib.Path, help="32 raw bytes or their base64")
    parser.add_argument("--clear", action="store_true", help="the blob was stored unencrypted")
    parser.add_argument("--footer-only", action="store_true", help="print the footer to standard output")
    parser.add_argument("blob", nargs="?", type=pathlib.Path)
    arguments = parser.parse_args()
    if arguments.self_test is not None:
        return self_test(arguments.self_test)
    if arguments.blob is None or arguments.clear == (arguments.keyring is not None):
        parser.error("a blob, and either --clear or --keyring with --master-key-file")
    keyring = None
    if arguments.keyring is not None:
        key = None if arguments.master_key_file is None else read_key(arguments.master_key_file)
        keyring = Keyring(arguments.keyring.read_bytes(), key)
    blob = open_blob(arguments.blob.read_bytes(), keyring)
    footer = blob.footer()
    described = json.dumps(footer, indent=2, ensure_ascii=False)
    if arguments.footer_only:
        print(described)
        return None
    print(described, file=sys.stderr)
    # A body that was padded because its length was unknown ends at its content length.
    sys.stdout.buffer.write(blob.body()[: footer["content_len"]])
    return None


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Damaged as damage:
        sys.exit(f"blob_reader: {damage}")
