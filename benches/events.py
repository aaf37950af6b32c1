#!/usr/bin/env python3
"""What a flood of anonymous requests leaves in the record of events, and what becomes of failed logins meanwhile.

    cargo build --release --bin gatewright
    python3 benches/events.py [--gatewright PATH] [--seconds N] [--connections N]

One server on SQLite with its defaults. Anonymous requests of four kinds, each refused, come over keep-alive connections from
one address as fast as they are answered (wrk); 30 logins with a wrong password at an account that exists are spread over
the same time, and one with the right password ends it. Then the server is stopped, and its database is read: rows
a minute, bytes a row, the requests that the rows and numbers stand for beside those that wrk counted, and the failed logins.
Needs wrk.
"""
import argparse
import contextlib
import http.cookiejar
import os
import pathlib
import re
import socket
import sqlite3
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
FAILED_LOGINS = 30
PASSWORD = "correct horse battery staple"
FLOOD = """
local form = {["content-type"] = "application/x-www-form-urlencoded"}
local requests = {
    {"POST", "/token", form, "grant_type=client_credentials&client_id=nobody&client_secret=wrong"},
    {"POST", "/introspect", form, "token=x&client_id=nobody&client_secret=wrong"},
    {"GET", "/authorize?client_id=nobody", {}, nil},
    {"GET", "/userinfo", {["authorization"] = "Bearer garbage"}, nil},
}
local at = 0
request = function()
    at = at % #requests + 1
    local method, path, headers, body = table.unpack(requests[at])
    return wrk.format(method, path, headers, body)
end
"""


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait_ready(url, process):
    while True:
        try:
            with urllib.request.urlopen(f"{url}/health/ready") as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, ConnectionError):
            if process.poll() is not None:
                raise SystemExit(f"the server ended with {process.returncode}") from None
            time.sleep(0.05)


class NoRedirect(urllib.request.HTTPRedirectHandler):
    """The application that a login leads back to isn't there."""

    def redirect_request(self, *_):
        return None


def log_in(url, password):
    """One login in a fresh browser. Returns the last answer's status."""
    jar = http.cookiejar.CookieJar()
    cookies = urllib.request.HTTPCookieProcessor(jar)
    browser = urllib.request.build_opener(cookies)
    query = urllib.parse.urlencode({
        "response_type": "code", "client_id": "web", "redirect_uri": "http://127.0.0.1:9/cb", "scope": "openid",
        "state": "s", "code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM", "code_challenge_method": "S256",
    })
    with browser.open(f"{url}/authorize?{query}") as answer:
        place, page = answer.url, answer.read().decode()
    fields = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', page))
    action = re.search(r'<form[^>]*id="login-form"[^>]*action="([^"]+)"', page) \
        or re.search(r'<form[^>]*action="([^"]+)"[^>]*id="login-form"', page)
    fields.update(login="ada", password=password)
    to = urllib.parse.urljoin(place, action.group(1) if action else place)
    request = urllib.request.Request(to, urllib.parse.urlencode(fields).encode(), {"origin": url})
    browser = urllib.request.build_opener(cookies, NoRedirect)
    try:
        with browser.open(request) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


@contextlib.contextmanager
def server(program, folder):
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    environment = {
        "PATH": os.environ["PATH"],
        "GATEWRIGHT_DATABASE_URL": f"sqlite://{folder}/gatewright.db",
        "GATEWRIGHT_ISSUER": url,
        "GATEWRIGHT_LISTEN": f"127.0.0.1:{port}",
        "GATEWRIGHT_METRICS_LISTEN": "off",
    }

    def run(*arguments, **more):
        subprocess.run([program, *arguments], env=environment, check=True, stdout=subprocess.DEVNULL, **more)

    run("user", "create", "ada", "--email", "ada@example.com", "--password-stdin", input=PASSWORD, text=True)
    run("client", "create", "web", "--type", "public", "--redirect-uri", "http://127.0.0.1:9/cb", "--scope", "openid")
    with open(f"{folder}/log", "wb") as log:
        process = subprocess.Popen([program, "serve"], env=environment, stderr=log)
        try:
            wait_ready(url, process)
            yield url
        finally:
            process.terminate()
            process.wait()


def flood(url, folder, seconds, connections):
    script = pathlib.Path(folder, "flood.lua")
    script.write_text(FLOOD, encoding="utf-8")
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", str(script), url]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return int(re.search(r"(\d+) requests in", said).group(1))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gatewright", default=str(ROOT / "target/release/gatewright"))
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--connections", type=int, default=16)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        with server(options.gatewright, folder) as url:
            outcome = {}
            flooding = threading.Thread(
                target=lambda: outcome.update(sent=flood(url, folder, options.seconds, options.connections))
            )
            began = time.time()
            flooding.start()
            statuses = []
            for number in range(FAILED_LOGINS):
                time.sleep(max(0, began + number * options.seconds / FAILED_LOGINS - time.time()))
                statuses.append(log_in(url, "wrong"))
            flooding.join()
            minutes = (time.time() - began) / 60
        database = sqlite3.connect(f"{folder}/gatewright.db")
        rows, stands_for = database.execute(
            "SELECT COUNT(*), SUM(COALESCE(amount, 1)) FROM event WHERE writer LIKE '%/refusals'"
        ).fetchone()
        failed, failed_rows = database.execute(
            "SELECT SUM(COALESCE(amount, 1)), COUNT(*) FROM event WHERE kind = 'login_failed' AND subject IS NOT NULL"
        ).fetchone()
        lost = database.execute("SELECT COUNT(*) FROM event WHERE kind = 'events_lost'").fetchone()[0]
        every, size = database.execute("SELECT COUNT(*), SUM(LENGTH(detail)) FROM event").fetchone()
        pages = database.execute("SELECT SUM(pgsize) FROM dbstat WHERE name LIKE 'event%'").fetchone() \
            if has_dbstat(database) else (None,)
    print(f"anonymous requests answered  {outcome['sent']:>10,} in {minutes:.1f} min")
    print(f"rows about them              {rows:>10,}, {rows / minutes:,.0f} a minute")
    print(f"what these rows stand for    {stands_for:>10,}")
    print(f"failed logins                {failed or 0:>10,} of {FAILED_LOGINS}, {failed_rows} rows; statuses {sorted(set(statuses))}")
    print(f"events that were lost        {lost:>10,}")
    if pages[0]:
        print(f"bytes a row, with indexes    {pages[0] / every:>10,.0f} ({size / every:.0f} of detail)")


def has_dbstat(database):
    with contextlib.suppress(sqlite3.OperationalError):
        database.execute("SELECT 1 FROM dbstat LIMIT 1")
        return True
    return False


if __name__ == "__main__":
    main()
