#!/usr/bin/env python3
"""Reads an encrypted file of aeordb by FORMAT.md alone, without any code of aeordb's.

Usage: vectors.py FILE IDENTITY     every frame is opened and every chunk held against its name
       vectors.py --vectors FORMAT  the test vectors of FORMAT.md are made and compared

Needs cryptography, blake3 and zstandard. age is read by its specification: X25519 alone.
"""

import base64
import hashlib
import hmac
import re
import struct
import sys

from blake3 import blake3
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

BLOCK, RUN, CHECKPOINT, CLOSING, DELTA, CHANGES, LINK, KEYS, PROOF = 1, 2, 3, 6, 7, 8, 9, 10, 11
HEADER = struct.Struct("<4sBBBBQIIQ32s")


def hkdf(key, salt, info):
    return HKDF(algorithm=SHA256(), length=32, salt=salt, info=info).derive(key)


def secret_of(text):
    """The 32 bytes of AGE-SECRET-KEY-1…, which is Bech32; its checksum is not looked at."""
    letters = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
    data = text.strip().lower().split("1", 1)[1][:-6]
    bits = "".join(f"{letters.index(letter):05b}" for letter in data)
    return bytes(int(bits[at : at + 8], 2) for at in range(0, 256, 8))


def unpadded(text):
    return base64.b64decode(text + "=" * (-len(text) % 4))


def age_plaintext(data, identity):
    """What a file of age holds, of one chunk, for one of its X25519 recipients."""
    header, payload = re.fullmatch(rb"(.*?\n---) (?:[^\n]*)\n(.*)", data, re.S).groups()
    mac = re.search(rb"\n--- ([^\n]*)\n", data).group(1)
    lines = header.decode().split("\n")
    assert lines[0] == "age-encryption.org/v1"
    key = X25519PrivateKey.from_private_bytes(identity)
    own = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    for number, line in enumerate(lines):
        words = line.split(" ")
        if words[:2] != ["->", "X25519"]:
            continue
        share = unpadded(words[2])
        shared = key.exchange(X25519PublicKey.from_public_bytes(share))
        wrap = hkdf(shared, share + own, b"age-encryption.org/v1/X25519")
        try:
            file_key = ChaCha20Poly1305(wrap).decrypt(bytes(12), unpadded(lines[number + 1]), b"")
        except Exception:
            continue
        expected = hmac.new(hkdf(file_key, b"", b"header"), header, hashlib.sha256).digest()
        assert expected == unpadded(mac.decode()), "the head of age was changed"
        stream = hkdf(file_key, payload[:16], b"payload")
        return ChaCha20Poly1305(stream).decrypt(bytes(11) + b"\1", payload[16:], b"")
    raise SystemExit("the file is for others")


def derived(context, file_key, superblock):
    return blake3(file_key + superblock, derive_key_context=context).digest()


def nonce(offset, part):
    return struct.pack("<QI", offset, part)


def frames(data):
    at = 256
    while at < len(data):
        head = data[at : at + 64]
        magic, kind, codec, cls, reserved, body_len, count, raw_len, check, stored = HEADER.unpack(head)
        assert magic == b"aeoF" and reserved == 0
        assert blake3(head[:24]).digest()[:8] == head[24:32]
        body = data[at + 64 : at + 64 + body_len]
        assert len(body) == body_len
        yield at, kind, codec, count, raw_len, head, body, stored
        at += 64 + body_len


def read(path, identity_path):
    import zstandard

    data = open(path, "rb").read()
    identity = [line for line in open(identity_path) if line.startswith("AGE-SECRET-KEY-1")][0]
    superblock = data[:256]
    assert data[:8] == b"aeordb\x8a\n" and struct.unpack_from("<Q", data, 16)[0] & 2
    assert blake3(superblock[:224]).digest() == superblock[224:]
    seen, opened, chunks, places, in_index, proof = [], None, 0, {}, {}, None
    for at, kind, codec, count, raw_len, head, body, stored in frames(data):
        said = head[:24]
        seen.append(kind)
        if kind != RUN:
            assert blake3(said + body).digest() == stored, f"frame at {at}"
        if kind == KEYS:
            assert at == 256
            file_key = age_plaintext(body, secret_of(identity))
            assert len(file_key) == 32
            opened = AESGCM(derived("aeordb v1 encrypted frames", file_key, superblock))
        elif kind == BLOCK:
            table_len = 36 * count + 16
            table = opened.decrypt(nonce(at, 0), body[:table_len], said)
            payload = opened.decrypt(nonce(at, 1), body[table_len:], said)
            raw = payload if codec == 0 else zstandard.ZstdDecompressor().decompress(
                payload, max_output_size=raw_len)
            assert len(raw) == raw_len
            start = 0
            for entry in range(count):
                name = table[32 * entry : 32 * entry + 32]
                length = int.from_bytes(table[32 * count + 4 * entry :][:3], "little")
                of = table[32 * count + 4 * entry + 3]
                if of == 1:
                    assert blake3(raw[start : start + length]).digest() == name, "a chunk"
                    chunks += 1
                places[name] = (at, entry, stored[:8])
                start += length
            assert start == raw_len
        elif kind == RUN:
            tags = b""
            for page, first in enumerate(range(0, len(body), 4096)):
                sealed = body[first : first + 4096]
                records = opened.decrypt(nonce(at + 64 + 4096 * page, 0), sealed, said)
                tags += sealed[-16:]
                for record in range(0, len(records), 48):
                    name = records[record : record + 32]
                    block = int.from_bytes(records[record + 32 : record + 38], "little")
                    ordinal = int.from_bytes(records[record + 38 : record + 40], "little")
                    in_index[name] = (block, ordinal, records[record + 40 : record + 48])
            assert blake3(said + tags).digest() == stored, "a run"
        elif kind in (CHECKPOINT, DELTA, CHANGES, LINK):
            opened.decrypt(nonce(at, 0), body, said)
        elif kind == PROOF:
            assert body[:32] == blake3(data[:at]).digest(), "the proof is of other bytes"
            proof = (at, body)
        elif kind == CLOSING:
            assert body[8:40] == blake3(data[:at]).digest(), "the seal"
            key = derived("aeordb v1 encrypted proof", file_key, superblock)
            place, (content, mac) = proof[0], (proof[1][:32], proof[1][32:])
            assert place + 128 == at
            keyed = blake3(struct.pack("<Q", place) + content + body[40:], key=key).digest()
            assert keyed == mac, "the proof"
        else:
            raise SystemExit(f"a frame of kind {kind}")
    assert seen[0] == KEYS and seen[-2:] == [PROOF, CLOSING]
    assert not in_index or in_index == places, "the index"
    print(f"{len(seen)} frames, {chunks} chunks, {len(in_index)} names in the index")


def vectors(path):
    """Makes the test vectors, and compares them with those that the text has."""
    file_key, superblock = bytes(range(32)), bytes(256)
    frames_key = derived("aeordb v1 encrypted frames", file_key, superblock)
    said = struct.pack("<4sBBBBQII", b"aeoF", LINK, 0, 0, 0, 80, 0, 0)
    body = AESGCM(frames_key).encrypt(nonce(1000, 0), bytes([7] * 64), said)
    link = said + blake3(said).digest()[:8] + blake3(said + body).digest() + body
    text = open(path).read()
    for value in (frames_key, derived("aeordb v1 encrypted proof", file_key, superblock), link):
        found = value.hex() in text.replace("\n", "")
        print(value.hex(), "found" if found else "MISSING")
        if not found:
            raise SystemExit(1)


if __name__ == "__main__":
    if sys.argv[1] == "--vectors":
        vectors(sys.argv[2])
    else:
        read(*sys.argv[1:3])
