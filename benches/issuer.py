#!/usr/bin/env python3
"""Measures the issuer on SQLite: start-up, idle memory, and CPU per request beside an axum hello-world.

    cargo build --release --bin gatewright --example hello
    python3 benches/issuer.py [--seconds N] [--connections N] [--runs N] [--traces RATIO]

CPU is the server process's own user and system time over the requests it answered (wrk, keep-alive). Each run
measures every endpoint and the floor one after another, so that figures of one run can be compared; the table
gives the median over the runs. With --traces the issuer records that part of its requests for a collector that takes
everything. Needs wrk.
"""
import argparse
import http.server
import json
import os
import pathlib
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
TICKS = os.sysconf("SC_CLK_TCK")


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def cpu_us(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) * 1_000_000 / TICKS


def resident_mb(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        kib = next(line.split()[1] for line in status if line.startswith("VmRSS"))
    return int(kib) / 1024


def wait_ready(url, process):
    host, port = url.removeprefix("http://").split(":")
    request = f"GET /health/ready HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n".encode()
    while True:
        try:
            with socket.create_connection((host, int(port))) as connection:
                connection.sendall(request)
                if connection.recv(64).startswith(b"HTTP/1.1 200"):
                    return
        except OSError:
            if process.poll() is not None:
                sys.exit(f"the server ended with {process.returncode}")
            time.sleep(0.0005)


def wrk(url, seconds, connections, script=None):
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", url]
    if script:
        command[1:1] = ["-s", script]
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    if "Non-2xx" in out or "Socket errors" in out:
        sys.exit(f"{url}: {out}")
    return int(re.search(r"(\d+) requests in", out).group(1)), float(re.search(r"Requests/sec:\s+([\d.]+)", out).group(1))


def measure(pid, url, seconds, connections, script=None):
    wrk(url, 1, connections, script)
    before = cpu_us(pid)
    requests, per_second = wrk(url, seconds, connections, script)
    return (cpu_us(pid) - before) / requests, per_second


def lua(folder, name, body):
    path = folder / f"{name}.lua"
    path.write_text(
        'wrk.method = "POST"\n'
        f'wrk.body = "{body}"\n'
        'wrk.headers["Content-Type"] = "application/x-www-form-urlencoded"\n'
    )
    return str(path)


class Collector(http.server.BaseHTTPRequestHandler):
    """Takes what is exported over OTLP, and counts the bytes."""

    protocol_version = "HTTP/1.1"
    taken = 0

    def do_POST(self):  # noqa: N802, the name that the base class looks for
        Collector.taken += len(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def collector():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Collector)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}"


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--target", default=os.environ.get("CARGO_TARGET_DIR", str(ROOT / "target")))
    arguments.add_argument("--seconds", type=int, default=5)
    arguments.add_argument("--connections", type=int, default=16)
    arguments.add_argument("--runs", type=int, default=3)
    arguments.add_argument("--traces", metavar="RATIO", help="record this part of the requests, 0.0 to 1.0")
    options = arguments.parse_args()
    if not shutil.which("wrk"):
        sys.exit("wrk is needed: install it (apt-get install wrk)")
    release = pathlib.Path(options.target) / "release"
    gatewright, hello = release / "gatewright", release / "examples" / "hello"
    for binary in (gatewright, hello):
        if not binary.exists():
            sys.exit(f"{binary} is missing: cargo build --release --bin gatewright --example hello")

    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        port, hello_port = free_port(), free_port()
        url = f"http://127.0.0.1:{port}"
        env = {key: value for key, value in os.environ.items() if not key.startswith("GATEWRIGHT_")}
        env |= {
            "GATEWRIGHT_DATABASE_URL": f"sqlite://{folder}/gatewright.db",
            "GATEWRIGHT_ISSUER": url,
            "GATEWRIGHT_LISTEN": f"127.0.0.1:{port}",
        }
        if options.traces:
            env |= {"GATEWRIGHT_TRACES_ENDPOINT": collector(), "GATEWRIGHT_TRACES_SAMPLE": options.traces}

        def serve():
            log = open(folder / "log", "ab")
            began = time.perf_counter()
            # Without close_fds the start is a plain spawn: what is measured is the server, not the fork.
            process = subprocess.Popen([gatewright, "serve"], env=env, stderr=log, close_fds=False)
            wait_ready(url, process)
            return process, (time.perf_counter() - began) * 1000

        def client(alg):
            out = subprocess.run(
                [gatewright, "client", "create", f"worker-{alg.lower()}", "--type", "confidential", "--grant",
                 "client_credentials", "--scope", "orders:read", "--audience", "https://api.example.com",
                 "--access-token-alg", alg, "--json"],
                env=env, check=True, capture_output=True, text=True).stdout
            made = json.loads(out)
            return lua(folder, alg, "grant_type=client_credentials&client_id={client_id}&client_secret={client_secret}"
                       .format(**made))

        first, first_ms = serve()
        scripts = {alg: client(alg) for alg in ("ES256", "RS256", "EdDSA")}
        first.terminate()
        first.wait()
        starts = []
        for _ in range(5):
            process, milliseconds = serve()
            starts.append(milliseconds)
            time.sleep(0.3)
            idle = resident_mb(process.pid)
            process.terminate()
            process.wait()
        server, _ = serve()
        floor = subprocess.Popen([hello, f"127.0.0.1:{hello_port}"])
        hello_url = f"http://127.0.0.1:{hello_port}"
        wait_ready(hello_url, floor)
        form = lua(folder, "form", "grant_type=client_credentials&client_id=worker&client_secret=secret")
        targets = [
            ("axum hello-world, GET", floor.pid, hello_url + "/", None),
            ("axum hello-world, POST form to JSON", floor.pid, hello_url + "/form", form),
            ("client credentials, ES256", server.pid, url + "/token", scripts["ES256"]),
            ("client credentials, RS256", server.pid, url + "/token", scripts["RS256"]),
            ("client credentials, EdDSA", server.pid, url + "/token", scripts["EdDSA"]),
            ("JWKS", server.pid, url + "/jwks.json", None),
            ("discovery", server.pid, url + "/.well-known/openid-configuration", None),
        ]
        figures = {label: [] for label, *_ in targets}
        try:
            for _ in range(options.runs):
                for label, pid, target, script in targets:
                    figures[label].append(measure(pid, target, options.seconds, options.connections, script))
            loaded = resident_mb(server.pid)
        finally:
            for process in (server, floor):
                process.terminate()
                process.wait()

    print(f"start-up to ready: {statistics.median(starts):.0f} ms (first start, with schema and keys: {first_ms:.0f} ms)")
    print(f"idle memory: {idle:.1f} MB resident; after the load: {loaded:.1f} MB")
    if options.traces:
        print(f"spans taken by the collector: {Collector.taken:,} bytes")
    print("\n| request | CPU per request | requests/s |\n|---|---|---|")
    for label, results in figures.items():
        cpu = statistics.median(result[0] for result in results)
        rate = statistics.median(result[1] for result in results)
        print(f"| {label} | {cpu:.1f} µs | {rate:,.0f} |")


if __name__ == "__main__":
    main()
