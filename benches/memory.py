#!/usr/bin/env python3
"""Memory of a server: while it unpacks large archives, and after a flood of requests.

    benches/memory.py [PROGRAM] [--entries N] [--seconds N]

Three archives of N files of six bytes (a million if not said) are put at once; then 200 clients put,
get and list for some seconds. Prints the anonymous memory of the server in MB: idle, at most, and
1, 12 and 60 s after. Fails if the archives took more than 128 MB above idle, or if after 60 s a
server keeps more than 128 MB. The program is target/release/aeordb if not said.
"""

import argparse
import collections
import contextlib
import http.client
import json
import pathlib
import random
import subprocess
import sys
import tempfile
import threading
import time

LIMIT = 128
ARCHIVES = 3
CLIENTS = 200
BLOCK = 512


class Server:
    def __init__(self, program, directory):
        command = [program, "serve", "--json", "--log", "errors", "--listen", "127.0.0.1:0"]
        command += ["--database", f"{directory}/data.aeordb"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        started = json.loads(self.process.stdout.readline())
        self.address = started["url"].removeprefix("http://")
        self.headers = {"Authorization": f"Bearer {started['key']}"}
        time.sleep(1)
        self.idle = self.memory()

    def memory(self):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("RssAnon:")[1].split()[0]) / 1000

    def peak(self, threads):
        """The most that it has while these run."""
        for thread in threads:
            thread.start()
        peak = self.memory()
        while any(thread.is_alive() for thread in threads):
            peak = max(peak, self.memory())
            time.sleep(0.02)
        return peak

    def kept(self):
        start = time.monotonic()
        kept = []
        for seconds in (1, 12, 60):
            time.sleep(max(0, start + seconds - time.monotonic()))
            kept.append(self.memory())
            print(f"  {seconds} s later {kept[-1]:.0f} MB", flush=True)
        return kept[-1]


@contextlib.contextmanager
def serving(program):
    with tempfile.TemporaryDirectory() as directory:
        server = Server(program, directory)
        try:
            yield server
        finally:
            server.process.terminate()
            server.process.wait()


def entry(name, content):
    header = bytearray(BLOCK)
    fields = {0: name, 100: b"0000644", 108: b"0000000", 116: b"0000000", 136: b"14524770400"}
    fields |= {124: b"%011o" % len(content), 148: b" " * 8, 156: b"0", 257: b"ustar\x0000"}
    for at, field in fields.items():
        header[at : at + len(field)] = field
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header) + content.ljust(BLOCK, b"\0")


def archive(number, entries):
    for first in range(0, entries, 1000):
        files = range(first, min(first + 1000, entries))
        names = (b"d%04d/f%07d" % (file // 1000, file) for file in files)
        contents = (bytes([number]) + file.to_bytes(5, "big") for file in files)
        yield b"".join(map(entry, names, contents))
    yield bytes(2 * BLOCK)


def put_archive(server, number, entries, statuses):
    connection = http.client.HTTPConnection(server.address)
    path, body = f"/files/{number}/?archive=tar", archive(number, entries)
    connection.request("PUT", path, body, server.headers, encode_chunked=True)
    reply = connection.getresponse()
    reply.read()
    statuses[reply.status] += 1


def client(server, number, until, statuses):
    choice = random.Random(number)
    noise = choice.randbytes(700_000)
    connection = http.client.HTTPConnection(server.address)
    while time.monotonic() < until:
        large, small = choice.randrange(1, 700_000), choice.randrange(1, 4000)
        method, path, body = choice.choice([
            ("PUT", f"/files/large{number % 20}/{choice.randrange(50)}", noise[:large]),
            ("PUT", f"/files/small{number % 20}/{choice.randrange(500)}", noise[:small]),
            ("GET", f"/files/large{choice.randrange(20)}/{choice.randrange(50)}", None),
            ("GET", f"/files/small{choice.randrange(20)}/?recursive", None),
        ])
        connection.request(method, path, body, server.headers)
        reply = connection.getresponse()
        reply.read()
        statuses[reply.status] += 1


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program", nargs="?", default="target/release/aeordb")
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=float, default=15)
    options = parser.parse_args()
    failed = []
    with serving(options.program) as server:
        statuses = collections.Counter()
        put = [
            threading.Thread(target=put_archive, args=(server, n, options.entries, statuses))
            for n in range(ARCHIVES)
        ]
        peak = server.peak(put)
        print(f"{ARCHIVES} archives of {options.entries} files: {dict(statuses)}")
        print(f"  idle {server.idle:.0f} MB, at most {peak:.0f} MB", flush=True)
        server.kept()
        if statuses[200] != ARCHIVES:
            failed.append("not all archives were unpacked")
        if peak - server.idle > LIMIT:
            failed.append(f"archives took more than {LIMIT} MB")
    with serving(options.program) as server:
        statuses, until = collections.Counter(), time.monotonic() + options.seconds
        clients = [
            threading.Thread(target=client, args=(server, n, until, statuses))
            for n in range(CLIENTS)
        ]
        peak = server.peak(clients)
        print(f"{CLIENTS} clients for {options.seconds:.0f} s: {dict(statuses)}")
        print(f"  idle {server.idle:.0f} MB, at most {peak:.0f} MB", flush=True)
        if server.kept() > LIMIT:
            failed.append(f"more than {LIMIT} MB are kept after a flood")
    sys.exit("; ".join(failed))


if __name__ == "__main__":
    main()
