#!/usr/bin/env python3
"""What refreshing leaves in the database, and how fast it is with many families.

    cargo build --release --bin gatewright
    python3 benches/refresh_rows.py [--gatewright PATH] [--rotations N] [--families N] [--postgres URL]

One family is refreshed again and again, each time with the newest token: rows and bytes before and after tell what a rotation
leaves. Then the client gets thousands of families, and the same is timed again: what a refresh costs must not depend on how
many there are. Rotations of one family can't overlap; with --at-once N families are refreshed side by side, one connection
each. SQLite by default, durable as in service; the size is that of its pages after the write-ahead log was folded in. On
PostgreSQL it is pg_database_size after a VACUUM; name an empty database of yours, and have psql on the path.
"""
import argparse
import base64
import concurrent.futures
import hashlib
import html
import http.client
import json
import os
import pathlib
import re
import secrets
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parent.parent
PASSWORD = "correct horse battery staple"
REDIRECT = "https://app.example.com/cb"
TABLES = ("token_family", "refresh_token", "authorization_code", "event")


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Connection:
    """One keep-alive connection and its cookies."""

    def __init__(self, port):
        self.port, self.http, self.cookies = port, http.client.HTTPConnection("127.0.0.1", port, timeout=60), {}

    def ask(self, method, path, fields=None, expect=200):
        headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}
        body = None
        if fields is not None:
            body = urllib.parse.urlencode(fields)
            headers |= {"Content-Type": "application/x-www-form-urlencoded", "Origin": f"http://127.0.0.1:{self.port}"}
        self.http.request(method, path, body, headers)
        answer = self.http.getresponse()
        text = answer.read().decode()
        for cookie in answer.headers.get_all("Set-Cookie") or []:
            name, value = cookie.split(";")[0].split("=", 1)
            self.cookies[name] = value
        if answer.status != expect:
            sys.exit(f"{method} {path}: {answer.status} {text}")
        return text if expect == 200 else answer.headers["Location"]

    def log_in(self, url):
        page = self.ask("GET", url)
        form = page[page.index('id="login-form"') :]
        hidden = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', form)
        fields = [(name, html.unescape(value)) for name, value in hidden]
        self.ask("POST", "/login", [*fields, ("login", "ada"), ("password", PASSWORD)], expect=303)

    def begin(self, url, verifier):
        """A family's first refresh token."""
        location = self.ask("GET", url, expect=303)
        code = urllib.parse.parse_qs(urllib.parse.urlsplit(location).query)["code"][0]
        fields = {"grant_type": "authorization_code", "client_id": "web", "code": code}
        fields |= {"redirect_uri": REDIRECT, "code_verifier": verifier}
        return json.loads(self.ask("POST", "/token", fields))["refresh_token"]

    def refresh(self, token):
        fields = {"grant_type": "refresh_token", "client_id": "web", "refresh_token": token}
        return json.loads(self.ask("POST", "/token", fields))["refresh_token"]


class Sqlite:
    def __init__(self, folder):
        self.path = f"{folder}/gatewright.db"
        self.url = f"sqlite://{self.path}"

    def look(self):
        with sqlite3.connect(self.path, timeout=30) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            (pages,), (size,) = (connection.execute(f"PRAGMA {name}").fetchone() for name in ("page_count", "page_size"))
            (free,) = connection.execute("PRAGMA freelist_count").fetchone()
            rows = [connection.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0] for table in TABLES]
        return (pages - free) * size, rows


class Postgres:
    def __init__(self, url):
        self.url = url

    def ask(self, sql):
        command = ["psql", self.url, "-qtAc", sql]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def look(self):
        self.ask("VACUUM")
        rows = [int(self.ask(f"SELECT COUNT(*) FROM {table}")) for table in TABLES]
        return int(self.ask("SELECT pg_database_size(current_database())")), rows


def serve(gatewright, database, port):
    env = {name: value for name, value in os.environ.items() if not name.startswith("GATEWRIGHT_")}
    env |= {
        "GATEWRIGHT_DATABASE_URL": database.url,
        "GATEWRIGHT_ISSUER": f"http://127.0.0.1:{port}",
        "GATEWRIGHT_LISTEN": f"127.0.0.1:{port}",
        "GATEWRIGHT_METRICS_LISTEN": "off",
        "GATEWRIGHT_LOG_LEVEL": "error",
    }
    if isinstance(database, Postgres):
        env["GATEWRIGHT_MASTER_KEY"] = secrets.token_hex(32)
        subprocess.run([gatewright, "migrate"], env=env, check=True, capture_output=True)

    def run(words, given=""):
        subprocess.run([gatewright, *words.split()], env=env, input=given, text=True, check=True, capture_output=True)

    run("user create ada --password-stdin", PASSWORD)
    create = f"client create web --type public --first-party --redirect-uri {REDIRECT} --grant authorization_code"
    subprocess.run(
        [gatewright, *create.split(), "--grant", "refresh_token", "--scope", "orders:read"],
        env=env, check=True, capture_output=True,
    )
    process = subprocess.Popen([gatewright, "serve"], env=env, stderr=subprocess.DEVNULL)
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return process
        except OSError:
            if process.poll() is not None:
                sys.exit(f"the server ended with {process.returncode}")
            time.sleep(0.02)


def rotate(connection, token, times):
    """The newest token after so many rotations, and rotations a second."""
    began = time.perf_counter()
    for _ in range(times):
        token = connection.refresh(token)
    return token, times / (time.perf_counter() - began)


def side_by_side(port, tokens, times):
    """Rotations a second of several families at once."""
    connections = [Connection(port) for _ in tokens]
    began = time.perf_counter()
    with concurrent.futures.ThreadPoolExecutor(len(tokens)) as pool:
        for done in [pool.submit(rotate, *pair, times) for pair in zip(connections, tokens)]:
            done.result()
    return len(tokens) * times / (time.perf_counter() - began)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gatewright", default=ROOT / "target/release/gatewright")
    parser.add_argument("--rotations", type=int, default=3000)
    parser.add_argument("--families", type=int, default=10_000)
    parser.add_argument("--at-once", type=int, default=16)
    parser.add_argument("--postgres", metavar="URL")
    options = parser.parse_args()
    verifier = secrets.token_urlsafe(32)
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    request = {"response_type": "code", "client_id": "web", "redirect_uri": REDIRECT, "scope": "orders:read"}
    request |= {"code_challenge": challenge, "code_challenge_method": "S256"}
    url = f"/authorize?{urllib.parse.urlencode(request)}"
    with tempfile.TemporaryDirectory() as folder:
        database = Postgres(options.postgres) if options.postgres else Sqlite(folder)
        port = free_port()
        server = serve(options.gatewright, database, port)
        try:
            browser = Connection(port)
            browser.log_in(url)
            token, _ = rotate(browser, browser.begin(url, verifier), 50)
            time.sleep(2)
            bytes_before, rows_before = database.look()
            token, alone = rotate(browser, token, options.rotations)
            time.sleep(2)
            bytes_after, rows_after = database.look()
            print(f"{options.rotations:,} rotations of one family leave {bytes_after - bytes_before:,} bytes, and rows:")
            for table, before, after in zip(TABLES, rows_before, rows_after):
                print(f"  {table:20} {after - before:+,}")
            several = [browser.begin(url, verifier) for _ in range(options.at_once)]
            together = side_by_side(port, several, options.rotations // options.at_once)
            more = max(options.families - options.at_once - 1, 0)
            held = [browser.begin(url, verifier) for _ in range(more)]
            _, alone_among_many = rotate(browser, token, options.rotations)
            among_many = side_by_side(port, held[: options.at_once], options.rotations // options.at_once)
            print(f"\n| rotations/s | {options.at_once + 1} families | {options.families:,} families |\n|---|---|---|")
            print(f"| one after another | {alone:,.0f} | {alone_among_many:,.0f} |")
            print(f"| {options.at_once} families at once | {together:,.0f} | {among_many:,.0f} |")
        finally:
            server.terminate()
            server.wait()


if __name__ == "__main__":
    main()
