#!/usr/bin/env python3
"""From the start of the Lambda function to its first poll, and the size of its zip file.

    cargo build --profile lambda -p gatewright-authorizer --bin bootstrap
    python3 benches/bootstrap.py

A stand-in for the Lambda Runtime API on loopback notes when the function first asks for an event. Time to the first poll
is what the function itself adds to a cold start.
"""

import argparse
import http.server
import io
import os
import pathlib
import statistics
import subprocess
import tempfile
import threading
import time
import zipfile

POLICY = """
[[issuer]]
url = "https://login.example.com"
audiences = ["https://api.example.com"]
algorithms = ["ES256"]

[[rule]]
id = "orders-read"
methods = ["GET"]
path = "/orders/{id}"
scopes = ["orders:read"]
"""


class RuntimeApi(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.polled_at = time.perf_counter()
        self.server.polled.set()
        self.server.over.wait()

    def log_message(self, *_):
        pass


def first_poll(bootstrap, policy):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), RuntimeApi)
    server.daemon_threads = True
    server.polled, server.over = threading.Event(), threading.Event()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    environment = {
        "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{server.server_port}",
        "AWS_LAMBDA_FUNCTION_NAME": "authorizer",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
        "AWS_LAMBDA_FUNCTION_VERSION": "1",
        "GATEWRIGHT_POLICY": str(policy),
    }
    began = time.perf_counter()
    # vfork: the cost of copying this interpreter isn't the function's.
    process = subprocess.Popen([bootstrap], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, close_fds=False)
    try:
        if not server.polled.wait(10):
            raise SystemExit(f"{bootstrap} didn't poll within 10 s: run it by hand with these variables: {environment}")
        return 1000 * (server.polled_at - began)
    finally:
        process.kill()
        process.wait()
        server.over.set()
        server.shutdown()
        server.server_close()


def zipped(bootstrap):
    stripped = pathlib.Path(tempfile.mkdtemp()) / "bootstrap"
    subprocess.run(["strip", "-o", stripped, bootstrap], check=True)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        archive.write(stripped, "bootstrap")
    size = os.path.getsize(stripped)
    stripped.unlink()
    stripped.parent.rmdir()
    return size, len(file.getvalue())


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--bootstrap", type=pathlib.Path, default="target/lambda/bootstrap")
    arguments.add_argument("--runs", type=int, default=50)
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        policy = pathlib.Path(folder) / "policy.toml"
        policy.write_text(POLICY)
        times = [first_poll(given.bootstrap, policy) for _ in range(given.runs)]
    size, small = zipped(given.bootstrap)
    print(f"first poll  {statistics.median(times):.1f} ms (least {min(times):.1f}, most {max(times):.1f}, {given.runs} runs)")
    print(f"binary      {size / 1e6:.2f} MB stripped, {small / 1e6:.2f} MB zipped")


if __name__ == "__main__":
    main()
