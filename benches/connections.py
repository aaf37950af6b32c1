#!/usr/bin/env python3
"""Memory of the listener, and a newcomer's wait, while many connections cost as much as their protocol allows.

    cargo build --release --bin gatewright
    python3 benches/connections.py [--connections N] [--only NAME,NAME] [--server PATH] [--setting KEY=VALUE]…

Each row starts a server of its own on loopback (SQLite, a fresh folder), opens N connections from as many addresses of
127.0.0.0/8 as keep each below the limit for one, and has each of them do what the row says. The most memory the server
ever held is the kernel's high-water mark (VmHWM). While they are held, 20 newcomers ask for /health/live, each on a
connection of its own: the slowest counts. Then all are closed, and what the server still holds is read once it has
stopped falling. `open` is how many of the N the server has not closed by then. Frames are made by hand: no client
library would send them. Needs Linux, and openssl for the rows with TLS.
"""
import argparse
import json
import os
import pathlib
import resource
import select
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, CONTINUATION = 0, 1, 3, 4, 6, 9
END_STREAM, END_HEADERS = 1, 4
# With the port of the server, once that is known.
HOST = b"localhost:00000"
# :scheme http, :authority
TO_IT = b"\x86\x01" + bytes([len(HOST)]) + HOST
POST = b"\x83\x04\x06/token" + TO_IT
GET = b"\x82\x04\x0c/health/live" + TO_IT
PAGE = b"\x82\x04\x06/login" + TO_IT
PER_ADDRESS = 200
NEWCOMERS = 20


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def hello2(*settings):
    return PREFACE + frame(SETTINGS, 0, 0, b"".join(struct.pack(">HI", *pair) for pair in settings))


def streams(headers, flags, count, first=1):
    return b"".join(frame(HEADERS, flags, stream, headers) for stream in range(first, first + 2 * count, 2))


def get(path):
    return f"GET {path} HTTP/1.1\r\n".encode() + b"Host: " + HOST + b"\r\n"


def wide():
    """A stream's first header block puts a field of 600 bytes into the table; the others name it 90 times in 90 bytes."""
    field = b"\x40\x06x-wide" + b"\x7f" + bytes([0xD9, 3]) + b"w" * 600
    first = frame(HEADERS, END_HEADERS, 1, POST + field + b"\xbe" * 89)
    return hello2() + first + streams(POST + b"\xbe" * 90, END_HEADERS, 99, 3)


def bomb():
    """A header block of 1,800 bytes that unfolds into 1,800 fields."""
    field = b"\x40\x01a\x01b"
    first = frame(HEADERS, END_HEADERS, 1, POST + field + b"\xbe" * 1700)
    return hello2() + first + streams(POST + b"\xbe" * 1800, END_HEADERS, 20, 3)


def client_hello():
    """The first 60,000 bytes of a handshake message that says it has 65,535, in records of 16,000."""
    message = b"\x01\x00\xff\xff" + b"\x03\x03" + b"h" * 59_994
    pieces = [message[at:at + 16_000] for at in range(0, len(message), 16_000)]
    return b"".join(b"\x16\x03\x01" + struct.pack(">H", len(piece)) + piece for piece in pieces)


# Name: what each connection sends, whether it waits for an answer, and whether that is over TLS.
ROWS = {
    "idle HTTP/1": (get("/health/live") + b"\r\n", True, False),
    "idle HTTP/2": (hello2() + streams(GET, END_HEADERS | END_STREAM, 1), True, False),
    "idle TLS, HTTP/1": (get("/health/live") + b"\r\n", True, True),
    "idle TLS, HTTP/2": (hello2() + streams(GET, END_HEADERS | END_STREAM, 1), True, True),
    "half a head of 64 KB": (get("/") + b"X: " + b"x" * 60_000, False, False),
    "idle after a head of 64 KB": (get("/health/live") + b"X: " + b"x" * 60_000 + b"\r\n\r\n", True, False),
    "half a body of 64 KB": (
        b"POST /token HTTP/1.1\r\nHost: " + HOST + b"\r\nContent-Length: 60001\r\n\r\n" + b"x" * 60_000, False, False),
    "head and half a body": (
        b"POST /token HTTP/1.1\r\nHost: " + HOST + b"\r\nX: " + b"x" * 60_000 + b"\r\nContent-Length: 60001\r\n\r\n" + b"x" * 60_000,
        False, False),
    "answers unread, HTTP/1": ((get("/health/live") + b"\r\n") * 300, False, False),
    "unfinished streams": (hello2() + streams(POST, END_HEADERS, 100), False, False),
    "unfinished streams, TLS": (hello2() + streams(POST, END_HEADERS, 100), False, True),
    "wide unfinished streams": (wide(), False, False),
    "streams of 1,800 fields": (bomb(), False, False),
    "half a header block": (
        hello2() + frame(HEADERS, 0, 1, POST + b"\x00\x01x\x7f" + struct.pack("BBB", 0xE1, 0xD4, 3) + b"x" * 16_000)
        + frame(CONTINUATION, 0, 1, b"x" * 16_300) + frame(CONTINUATION, 0, 1, b"x" * 16_300), False, False),
    "half a body a stream": (
        hello2() + b"".join(
            frame(HEADERS, END_HEADERS, stream, POST) + frame(DATA, 0, stream, b"x" * 500) for stream in range(1, 201, 2)),
        False, False),
    "answers unread, HTTP/2": (hello2((4, 0)) + streams(PAGE, END_HEADERS | END_STREAM, 100), False, False),
    "half a TLS handshake": (client_hello(), False, None),
}


class Server:
    def __init__(self, binary, settings, with_tls):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="gatewright-connections-"))
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            self.port = listener.getsockname()[1]
        scheme = "https" if with_tls else "http"
        environment = {
            "PATH": os.environ["PATH"],
            "GATEWRIGHT_ISSUER": f"{scheme}://localhost:{self.port}",
            "GATEWRIGHT_LISTEN": f"127.0.0.1:{self.port}",
            "GATEWRIGHT_DATABASE_URL": f"sqlite://{self.folder}/issuer.db",
            "GATEWRIGHT_METRICS_LISTEN": "off",
            "GATEWRIGHT_LOG_LEVEL": "error",
            **{"GATEWRIGHT_" + key.replace(".", "_").upper(): value for key, value in settings},
        }
        if with_tls:
            names = {"certificate": self.folder / "tls.crt", "key": self.folder / "tls.key"}
            subprocess.run(
                ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1",
                 "-subj", "/CN=localhost", "-keyout", names["key"], "-out", names["certificate"]],
                check=True, capture_output=True)
            for name, path in names.items():
                environment[f"GATEWRIGHT_TLS_{name.upper()}_FILE"] = str(path)
        self.log = open(self.folder / "log", "wb")
        self.process = subprocess.Popen([pathlib.Path(binary).resolve(), "serve"], env=environment, stdout=self.log, stderr=self.log, cwd=self.folder)
        self.context = None
        if with_tls:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            self.context.check_hostname, self.context.verify_mode = False, ssl.CERT_NONE
        while not self.is_answering():
            if self.process.poll() is not None:
                sys.exit(f"the server ended with {self.process.returncode}: {(self.folder / 'log').read_text()}")
            time.sleep(0.05)

    def memory_mb(self, line):
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as status:
            return int(next(words for words in status if words.startswith(line)).split()[1]) / 1024

    def meant(self, said):
        return said.replace(HOST, f"localhost:{self.port:05}".encode())

    def connect(self, number=0, wrapped=True):
        connection = socket.socket()
        connection.settimeout(10)
        # From 127.1.0.1 on; the newcomers are 127.0.0.1.
        source = number // PER_ADDRESS
        if number:
            connection.bind((f"127.{1 + source // 250}.{source % 250}.1", 0))
        connection.connect(("127.0.0.1", self.port))
        if self.context and wrapped:
            return self.context.wrap_socket(connection)
        return connection

    def is_answering(self):
        try:
            with self.connect() as connection:
                connection.sendall(self.meant(get("/health/live") + b"Connection: close\r\n\r\n"))
                return connection.recv(100).startswith(b"HTTP/1.1 200")
        except OSError:
            return False

    def end(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.log.close()
        shutil.rmtree(self.folder)


def newcomers(server):
    worst = 0
    for _ in range(NEWCOMERS):
        began = time.perf_counter()
        if not server.is_answering():
            return None
        worst = max(worst, time.perf_counter() - began)
    return worst


def is_open(connection):
    try:
        connection.setblocking(False)
        while True:
            if not connection.recv(65_536):
                return False
    except (BlockingIOError, ssl.SSLWantReadError):
        return True
    except OSError:
        return False


def hold(server, count, said, waits, tls):
    held = []
    for number in range(1, count + 1):
        try:
            connection = server.connect(number, wrapped=tls is not None)
            held.append(connection)
            connection.settimeout(5)
            connection.sendall(said)
            if waits:
                connection.recv(1000)
        except OSError:
            # Closed to make room for others: that is what is measured.
            pass
    return held


def settled_mb(server):
    """What is held once it has not fallen for 3 s."""
    least, since = server.memory_mb("VmRSS"), time.monotonic()
    while time.monotonic() - since < 3:
        time.sleep(0.2)
        now = server.memory_mb("VmRSS")
        if now < least - 0.5:
            least, since = now, time.monotonic()
    return least


def measure(options, name):
    said, waits, tls = ROWS[name]
    server = Server(options.server, options.settings, tls is not False)
    said = server.meant(said)
    try:
        before = server.memory_mb("VmRSS")
        began = time.perf_counter()
        held = hold(server, options.connections, said, waits, tls)
        opened_in = time.perf_counter() - began
        worst = newcomers(server)
        most = server.memory_mb("VmHWM")
        still_open = sum(is_open(connection) for connection in held)
        for connection in held:
            connection.close()
        after = settled_mb(server)
        return {"row": name, "before_mb": round(before), "most_mb": round(most), "after_mb": round(after),
                "open": still_open, "opened_in_s": round(opened_in, 1),
                "newcomer_ms": None if worst is None else round(1000 * worst, 1)}
    finally:
        server.end()


def renewed(options):
    """As many unfinished streams as connections, each renewed every 7 s, and nobody else may get in: newcomers all the while."""
    settings = [*options.settings, ("http.max_connections", str(options.slots))]
    server = Server(options.server, settings, False)
    try:
        held, waits, began = {}, [], time.monotonic()
        while time.monotonic() - began < options.seconds:
            due = time.monotonic()
            for number in range(1, options.slots + 1):
                connection, stream, since = held.get(number, (None, 0, 0))
                try:
                    if connection is None or not is_open(connection):
                        connection, stream, since = server.connect(number), 0, 0
                        connection.sendall(hello2())
                    if due - since >= 7:
                        reset = frame(RST_STREAM, 0, stream, struct.pack(">I", 8)) if stream else b""
                        stream = stream + 2 if stream else 1
                        connection.setblocking(True)
                        connection.sendall(reset + server.meant(frame(HEADERS, END_HEADERS, stream, POST)))
                        since = due
                    held[number] = (connection, stream, since)
                except OSError:
                    held.pop(number, None)
            waits.append(newcomers(server))
            select.select([], [], [], 0.2)
        served = [wait for wait in waits if wait is not None]
        return {"row": "unfinished streams, renewed", "slots": options.slots, "served": f"{len(served)}/{len(waits)}",
                "newcomer_ms": round(1000 * max(served), 1) if served else None}
    finally:
        server.end()


def setting(text):
    key, _, value = text.partition("=")
    return key, value


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--server", default=str(ROOT / "target/release/gatewright"))
    arguments.add_argument("--connections", type=int, default=10_000)
    arguments.add_argument("--slots", type=int, default=100, help="of the row that renews its streams")
    arguments.add_argument("--seconds", type=int, default=30, help="of the row that renews its streams")
    arguments.add_argument("--only", help="rows by the beginning of their names, with commas between")
    arguments.add_argument("--setting", dest="settings", type=setting, action="append", default=[])
    options = arguments.parse_args()
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
    if files < options.connections + 1000:
        sys.exit(f"{files} open files are too few for {options.connections} connections: raise the limit (ulimit -Hn), or lower --connections")
    wanted = tuple(options.only.split(",")) if options.only else ("",)
    for name in ROWS:
        if name.startswith(wanted):
            print(json.dumps(measure(options, name)), flush=True)
    if "unfinished streams, renewed".startswith(wanted):
        print(json.dumps(renewed(options)), flush=True)


if __name__ == "__main__":
    main()
