#!/usr/bin/env python3
"""What it costs to see what happens: CPU per client-credentials request with the views of events off and on.

    cargo build --release --bin gatewright
    python3 benches/views.py [--gatewright PATH] [--seconds N] [--runs N]

CPU is the server process's own user and system time over the requests it answered (wrk, 16 keep-alive connections,
ES256). The settings take turns in each run, so that figures of one run can be compared; the table gives medians and all
figures, for the noise of a shared machine is of the size of what is measured. The log is on in all of them. Needs wrk.
"""
import argparse
import base64
import http.server
import json
import os
import pathlib
import re
import socket
import statistics
import subprocess
import tempfile
import threading
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
TICKS = os.sysconf("SC_CLK_TCK")
OFF = {
    "GATEWRIGHT_METRICS_LISTEN": "off",
    "GATEWRIGHT_ALERTS_EVERY_S": "0",
    "GATEWRIGHT_EVENTS_TOKENS_PER_S": "0",
}
ON = {"GATEWRIGHT_METRICS_LISTEN": "127.0.0.1:{metrics}"}
TRACED = {"GATEWRIGHT_TRACES_ENDPOINT": "http://127.0.0.1:{collector}"}
SETTINGS = {
    "views off": OFF,
    "events, metrics (scraped every 2 s), alerts": ON,
    "and traces, as by default": {**ON, **TRACED},
}


class Collector(http.server.BaseHTTPRequestHandler):
    """Takes every export."""

    def do_POST(self):
        self.rfile.read(int(self.headers.get("content-length", 0)))
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def cpu_us(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) * 1_000_000 / TICKS


def wait_for(port):
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except OSError:
            time.sleep(0.05)
    raise SystemExit("the server doesn't start")


def load(url, script, seconds):
    said = subprocess.run(
        ["wrk", "-t1", "-c16", f"-d{seconds}s", "-s", script, url], capture_output=True, text=True, check=True
    ).stdout
    if "Non-2xx" in said:
        raise SystemExit(said)
    return int(re.search(r"(\d+) requests in", said).group(1))


def measure(gatewright, settings, collector, seconds):
    with tempfile.TemporaryDirectory() as folder:
        port, metrics = free_port(), free_port()
        env = {name: value for name, value in os.environ.items() if not name.startswith("GATEWRIGHT_")}
        env |= {
            "GATEWRIGHT_DATABASE_URL": f"sqlite://{folder}/gatewright.db",
            "GATEWRIGHT_ISSUER": f"http://127.0.0.1:{port}",
            "GATEWRIGHT_LISTEN": f"127.0.0.1:{port}",
        }
        env |= {name: value.format(metrics=metrics, collector=collector) for name, value in settings.items()}
        create = "client create worker --type confidential --grant client_credentials --scope orders:read"
        create += " --audience https://api.example.com --access-token-alg ES256 --json"
        made = subprocess.run([gatewright, *create.split()], env=env, capture_output=True, text=True, check=True).stdout
        basic = base64.b64encode(f"worker:{json.loads(made)['client_secret']}".encode()).decode()
        script = pathlib.Path(folder, "post.lua")
        script.write_text(
            'wrk.method = "POST"\nwrk.body = "grant_type=client_credentials"\n'
            'wrk.headers["Content-Type"] = "application/x-www-form-urlencoded"\n'
            f'wrk.headers["Authorization"] = "Basic {basic}"\n',
            encoding="ascii",
        )
        server = subprocess.Popen([gatewright, "serve"], env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        over = threading.Event()
        try:
            wait_for(port)
            url = f"http://127.0.0.1:{port}/token"
            load(url, script, 1)
            if settings is not OFF:

                def scrape():
                    while not over.wait(2):
                        urllib.request.urlopen(f"http://127.0.0.1:{metrics}/metrics").read()

                threading.Thread(target=scrape, daemon=True).start()
            before = cpu_us(server.pid)
            answered = load(url, script, seconds)
            return (cpu_us(server.pid) - before) / answered
        finally:
            over.set()
            server.terminate()
            server.wait()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gatewright", default=ROOT / "target/release/gatewright")
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--runs", type=int, default=7)
    arguments = parser.parse_args()
    collector = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Collector)
    threading.Thread(target=collector.serve_forever, daemon=True).start()
    figures = {name: [] for name in SETTINGS}
    for _ in range(arguments.runs):
        for name, settings in SETTINGS.items():
            figures[name].append(
                measure(arguments.gatewright, settings, collector.server_port, arguments.seconds)
            )
    base = statistics.median(figures["views off"])
    for name, each in figures.items():
        median = statistics.median(each)
        print(f"{name:45} {median:5.1f} µs  {median / base:.3f}  {[round(figure, 1) for figure in each]}")


if __name__ == "__main__":
    main()
