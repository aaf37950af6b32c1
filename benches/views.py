#!/usr/bin/env python3
"""What it costs to see what happens: CPU per client-credentials request with the views of events off and on.

    cargo build --release --bin gatewright
    python3 benches/views.py [--gatewright PATH] [--seconds N] [--rounds N]

CPU is the server process's own user and system time over the requests it answered (wrk, 16 keep-alive connections,
ES256). All three servers run, and take turns in short slices: what a shared machine does meanwhile does it to all. The
ratio is the median of those of single rounds. The log is on in all of them, a scrape is part of each slice. Needs wrk.
"""
import argparse
import base64
import contextlib
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
    "events, metrics, alerts": ON,
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


class Server:
    """A server of its own on a database of its own, with one client."""

    def __init__(self, gatewright, folder, settings, collector):
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
        self.script = pathlib.Path(folder, "post.lua")
        self.script.write_text(
            'wrk.method = "POST"\nwrk.body = "grant_type=client_credentials"\n'
            'wrk.headers["Content-Type"] = "application/x-www-form-urlencoded"\n'
            f'wrk.headers["Authorization"] = "Basic {basic}"\n',
            encoding="ascii",
        )
        self.url = f"http://127.0.0.1:{port}/token"
        self.metrics = None if settings is OFF else f"http://127.0.0.1:{metrics}/metrics"
        self.process = subprocess.Popen(
            [gatewright, "serve"], env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        wait_for(port)

    def slice(self, seconds):
        """CPU of one slice of load per request, µs; what it leaves to be written and sent is part of it."""
        before = cpu_us(self.process.pid)
        answered = load(self.url, self.script, seconds)
        if self.metrics:
            urllib.request.urlopen(self.metrics).read()
        time.sleep(0.3)
        return (cpu_us(self.process.pid) - before) / answered

    def end(self):
        self.process.terminate()
        self.process.wait()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gatewright", default=ROOT / "target/release/gatewright")
    parser.add_argument("--seconds", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=30)
    arguments = parser.parse_args()
    collector = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Collector)
    threading.Thread(target=collector.serve_forever, daemon=True).start()
    figures = {name: [] for name in SETTINGS}
    servers = {}
    with contextlib.ExitStack() as stack:
        for name, settings in SETTINGS.items():
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            servers[name] = Server(arguments.gatewright, folder, settings, collector.server_port)
            stack.callback(servers[name].end)
            servers[name].slice(1)
        for at in range(arguments.rounds):
            names = list(SETTINGS)
            # None is always the first after another.
            for name in names[at % len(names) :] + names[: at % len(names)]:
                figures[name].append(servers[name].slice(arguments.seconds))
    base = figures["views off"]
    for name, each in figures.items():
        ratios = sorted(figure / off for figure, off in zip(each, base))
        low, high = ratios[len(ratios) // 4], ratios[-1 - len(ratios) // 4]
        print(
            f"{name:45} {statistics.median(each):5.1f} µs  {statistics.median(ratios):.3f} times"
            f"  (half of the rounds between {low:.2f} and {high:.2f})"
        )


if __name__ == "__main__":
    main()
