#!/usr/bin/env python3
"""What hostile logins cost: memory, the logins of others, and what the time of a failure tells.

    cargo build --release --bin gatewright
    python3 benches/logins.py [--gatewright PATH] [--postgres URL] [--seconds N] [memory] [others] [times]

Without names, all three are measured. The server runs with its defaults, once for each measurement, on loopback; clients
come from addresses of their own (127.0.0.0/8).

- memory: resident memory while 40 clients try wrong passwords for a minute, each attempt under a new name and from a new
  address, so that every one is hashed. Target: 20 MB + slots x 19 MiB + 20 MB, then and 10 s later.
- others: 40 right passwords, one after another, each from a new browser, while 80 hostile clients are at it: all from one
  address with one name, all from one address with the honest one among them, and each with an address and a name of its
  own. Target: 40 of 40 within 2 s.
- times: medians of failures that take turns: an unknown name, a wrong password, a disabled account, a throttled one, and
  hashes of cheaper and costlier parameters; after raising and after lowering the costs. Target: within 5 % of each other.

With --postgres URL (of a server, for psql too) each run makes a database of its own there, and leaves it behind.
"""
import argparse
import base64
import contextlib
import html
import http.client
import itertools
import multiprocessing
import os
import pathlib
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parent.parent
PASSWORD = "correct horse battery staple"
AUTHORIZE = "/authorize?" + urllib.parse.urlencode({
    "response_type": "code", "client_id": "web", "redirect_uri": "https://app.example.com/cb", "scope": "openid",
    "state": "state", "code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM", "code_challenge_method": "S256",
})
SLOTS, HASH_MIB = 2, 19
LOGINS, HOSTILE, CLIENTS = 40, 80, 40


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def resident_mb(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        kib = next(line.split()[1] for line in status if line.startswith("VmRSS"))
    return int(kib) / 1024


def addresses():
    """Loopback addresses, each once."""
    for number in itertools.count(1):
        yield f"127.{1 + number // 62_500 % 250}.{number // 250 % 250}.{1 + number % 250}"


class Browser:
    """One browser at an address: a page with a login form, and a connection that is kept."""

    def __init__(self, port, address):
        self.port = port
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60, source_address=(address, 0))
        self.cookies, self.form = {}, {}

    def send(self, method, path, fields=None):
        headers = {"Host": f"127.0.0.1:{self.port}"}
        if self.cookies:
            headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        body = None
        if fields is not None:
            body = urllib.parse.urlencode(fields)
            headers |= {"Content-Type": "application/x-www-form-urlencoded", "Origin": "null", "Sec-Fetch-Site": "same-origin"}
        self.connection.request(method, path, body, headers)
        answer = self.connection.getresponse()
        text = answer.read().decode()
        for header, value in answer.getheaders():
            if header.lower() == "set-cookie":
                name, _, rest = value.partition("=")
                self.cookies[name] = rest.partition(";")[0]
        return answer.status, text

    def open(self):
        status, page = self.send("GET", AUTHORIZE)
        if status != 200:
            raise SystemExit(f"no login form: {status} {page[:300]}")
        for field in re.findall(r"<input[^>]*>", page):
            name, value = (re.search(rf'{key}="([^"]*)"', field) for key in ("name", "value"))
            if name and value and name.group(1) in ("csrf", "interaction"):
                self.form[name.group(1)] = html.unescape(value.group(1))
        return self

    def log_in(self, login, password):
        """Sends the form; the status, and how long it took in milliseconds."""
        began = time.perf_counter()
        status, _ = self.send("POST", "/login", self.form | {"login": login, "password": password})
        return status, 1000 * (time.perf_counter() - began)

    def close(self):
        self.connection.close()


class Server:
    def __init__(self, gatewright, folder, database):
        self.gatewright, self.port = gatewright, free_port()
        self.env = {key: value for key, value in os.environ.items() if not key.startswith("GATEWRIGHT_")}
        self.env |= {
            "GATEWRIGHT_DATABASE_URL": database or f"sqlite://{folder}/gatewright.db",
            "GATEWRIGHT_ISSUER": f"http://127.0.0.1:{self.port}",
            "GATEWRIGHT_LISTEN": f"127.0.0.1:{self.port}",
            "GATEWRIGHT_METRICS_LISTEN": "off",
        }
        if database:
            key = folder / "master.key"
            key.touch(mode=0o600)
            key.write_text(base64.b64encode(os.urandom(32)).decode())
            self.env["GATEWRIGHT_MASTER_KEY_FILE"] = str(key)
        self.folder, self.process = folder, None

    def run(self, *arguments, stdin="", costs=None):
        env = self.env | {f"GATEWRIGHT_PASSWORD_{name.upper()}": str(value) for name, value in (costs or {}).items()}
        done = subprocess.run([self.gatewright, *arguments], env=env, input=stdin, capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"gatewright {' '.join(arguments)}: {done.stderr}")

    def user(self, name, costs=None):
        self.run("user", "create", name, "--email", f"{name}@example.com", "--password-stdin", stdin=PASSWORD, costs=costs)

    def prepare(self):
        self.run("migrate")
        self.run("client", "create", "web", "--type", "public", "--redirect-uri", "https://app.example.com/cb",
                 "--grant", "authorization_code", "--scope", "openid", "--first-party")
        self.user("ada")
        return self

    def __enter__(self):
        log = open(self.folder / "log", "ab")
        self.process = subprocess.Popen([self.gatewright, "serve"], env=self.env, stdout=log, stderr=log)
        for _ in range(600):
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", self.port)).close()
                return self
            if self.process.poll() is not None:
                sys.exit(f"the server ended with {self.process.returncode}: see {self.folder}/log")
            time.sleep(0.05)
        sys.exit("the server doesn't start")

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()


class Hostile:
    """Clients that try again and again until the block ends, in a process of their own: an interpreter runs one thread at
    a time, and the honest one isn't to wait for it."""

    def __init__(self, port, number, next_try):
        context = multiprocessing.get_context("fork")
        self.over, self.said = context.Event(), context.SimpleQueue()
        self.process = context.Process(target=self.run, args=(port, number, next_try), daemon=True)
        self.counts = {}

    def run(self, port, number, next_try):
        counts, lock = {}, threading.Lock()

        def client(number):
            browser, at = None, None
            while not self.over.is_set():
                address, login = next_try(number)
                try:
                    if address != at:
                        if browser:
                            browser.close()
                        browser, at = Browser(port, address).open(), address
                    status, _ = browser.log_in(login, "a wrong password")
                except (OSError, http.client.HTTPException):
                    browser, at, status = None, None, "cut"
                with lock:
                    counts[status] = counts.get(status, 0) + 1

        threads = [threading.Thread(target=client, args=(each,)) for each in range(number)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.said.put(counts)

    def __enter__(self):
        self.process.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.counts = self.said.get()
        self.process.join()


def memory(start, seconds):
    with start().prepare() as server:
        idle, fresh, names, lock = resident_mb(server.process.pid), addresses(), itertools.count(), threading.Lock()

        def next_try(_):
            with lock:
                return next(fresh), f"nobody{next(names)}"

        most = idle
        with Hostile(server.port, CLIENTS, next_try) as hostile:
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                most = max(most, resident_mb(server.process.pid))
                time.sleep(0.1)
        time.sleep(10)
        after = resident_mb(server.process.pid)
    allowed = 20 + SLOTS * HASH_MIB + 20
    print(f"memory: {idle:.1f} MB idle, {most:.1f} MB at most, {after:.1f} MB 10 s later; at most {allowed} MB"
          f"{verdict(max(most, after) <= allowed)}   answers: {hostile.counts}")


def others(start, _):
    fresh = addresses()
    one = next(fresh)
    own = [next(fresh) for _ in range(HOSTILE)]
    ways = [
        ("one address, one unknown name", lambda _: (one, "nobody"), lambda: next(fresh)),
        ("the same, the honest one at that address", lambda _: (one, "nobody"), lambda: one),
        ("an address and a name each", lambda number: (own[number], f"nobody{number}"), lambda: next(fresh)),
    ]
    for label, next_try, honest in ways:
        with start().prepare() as server, Hostile(server.port, HOSTILE, next_try) as hostile:
            # Until the hostile clients have opened their pages.
            time.sleep(5)
            times, succeeded = [], 0
            for _ in range(LOGINS):
                browser = Browser(server.port, honest()).open()
                status, milliseconds = browser.log_in("ada", PASSWORD)
                browser.close()
                times.append(milliseconds)
                succeeded += status == 303 and milliseconds <= 2000
        print(f"others, {label}: {succeeded} of {LOGINS} within 2 s, median {statistics.median(times):.0f} ms, "
              f"most {max(times):.0f} ms{verdict(succeeded == LOGINS)}   hostile answers: {hostile.counts}")


def times(start, _):
    cheap = {"memory_kib": 8192, "iterations": 1}
    dear = {"memory_kib": 32768, "iterations": 3}
    each = 12
    for label, older in [("after raising the costs", cheap), ("after lowering the costs", dear)]:
        server = start().prepare()
        kinds = {"unknown name": "un", "wrong password": "wr", "disabled": "di", "older hash": "ol", "throttled": "th"}
        for number in range(each):
            for name in ("wr", "di", "th"):
                server.user(f"{name}{number}")
            server.user(f"ol{number}", costs=older)
            server.run("user", "disable", f"di{number}")
        with server:
            fresh, taken = addresses(), {kind: [] for kind in kinds}
            for number in range(each):
                for _ in range(6):
                    attempt(server, next(fresh), f"th{number}")
            # Four guesses of each account: none is throttled but those that should be.
            for number, _ in itertools.product(range(each), range(4)):
                for kind, name in kinds.items():
                    taken[kind].append(attempt(server, next(fresh), f"{name}{number}"))
        medians = {kind: statistics.median(values) for kind, values in taken.items()}
        apart = max(medians.values()) / min(medians.values()) - 1
        print(f"times, {label}: " + ", ".join(f"{kind} {value:.1f} ms" for kind, value in medians.items())
              + f"; {100 * apart:.1f} % apart{verdict(apart <= 0.05)}")


def attempt(server, address, login):
    browser = Browser(server.port, address).open()
    status, milliseconds = browser.log_in(login, "a wrong password")
    browser.close()
    if status != 422:
        sys.exit(f"{login}: {status} instead of 422")
    return milliseconds


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    target = os.environ.get("CARGO_TARGET_DIR", str(ROOT / "target"))
    arguments.add_argument("--gatewright", default=f"{target}/release/gatewright")
    arguments.add_argument("--postgres", metavar="URL", help="of a server; a database is made for each run")
    arguments.add_argument("--seconds", type=int, default=60, help="of the hostile clients whose memory is measured")
    arguments.add_argument("what", nargs="*", metavar="memory|others|times")
    options = arguments.parse_args()
    measures = {"memory": memory, "others": others, "times": times}
    chosen = options.what or list(measures)
    if unknown := set(chosen) - set(measures):
        arguments.error(f"choose among {', '.join(measures)}, not {', '.join(sorted(unknown))}")
    if not pathlib.Path(options.gatewright).exists():
        sys.exit(f"{options.gatewright} is missing: cargo build --release --bin gatewright")
    runs = itertools.count()
    with tempfile.TemporaryDirectory() as name:
        def start():
            run = next(runs)
            folder = pathlib.Path(name) / str(run)
            folder.mkdir(mode=0o700)
            database = None
            if options.postgres:
                base, made = options.postgres.rsplit("/", 1)[0], f"logins_{os.getpid()}_{run}"
                subprocess.run(["psql", "-q", options.postgres, "-c", f"CREATE DATABASE {made}"], check=True)
                database = f"{base}/{made}"
            return Server(options.gatewright, folder, database)

        for what in chosen:
            measures[what](start, options.seconds)


if __name__ == "__main__":
    main()
