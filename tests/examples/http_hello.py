"""Asks the server of examples/http_hello what clients ask, and what they should not.

usage: http_hello.py ADDRESS PID ROOT all|quick
"""
import fcntl
import hashlib
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import threading
import time

ADDRESS, PID, ROOT = sys.argv[1], int(sys.argv[2]), sys.argv[3]
HOST, PORT = ADDRESS.rsplit(":", 1)


def rss():
    with open(f"/proc/{PID}/status") as file:
        return int(re.search(r"VmRSS:\s+(\d+)", file.read()).group(1)) * 1024


def fds():
    return len(os.listdir(f"/proc/{PID}/fd"))


def settles(what, limit, seconds=10):
    for _ in range(seconds * 20):
        if what() <= limit:
            return True
        time.sleep(0.05)
    return False


def curl(path, *more):
    """Status, headers as a dictionary, body."""
    raw = subprocess.run(
        ["curl", "-s", "-i", "--path-as-is", "--max-time", "20", *more, f"http://{ADDRESS}{path}"],
        stdout=subprocess.PIPE, check=True).stdout
    head, body = raw.split(b"\r\n\r\n", 1)
    while head.startswith(b"HTTP/1.1 100"):
        head, body = body.split(b"\r\n\r\n", 1)
    lines = head.decode().split("\r\n")
    return int(lines[0].split()[1]), {k.lower(): v for k, v in (x.split(": ", 1) for x in lines[1:])}, body


def connect():
    return socket.create_connection((HOST, int(PORT)), timeout=20)


def talk(data):
    """All that comes back until the server closes."""
    with connect() as client:
        client.sendall(data)
        got = b""
        while True:
            part = client.recv(65536)
            if not part:
                return got
            got += part


def read(name):
    with open(os.path.join(ROOT, name), "rb") as file:
        return file.read()


def basics():
    assert curl("/hello/you")[0::2] == (200, b"hello, you\n")
    status, headers, body = curl("/")
    assert status == 200 and headers["content-type"] == "text/html; charset=utf-8", headers
    assert body == read("index.html")
    status, headers, _ = curl("/hello/you", "-X", "DELETE")
    assert status == 405 and headers["allow"] == "GET, HEAD, OPTIONS", headers
    assert curl("/nothing")[0] == 404
    assert curl("/hello/you", "-I")[0] == 200
    assert curl("/empty.txt")[0::2] == (200, b"")
    assert curl("/folder/")[2] == b"index\n"
    status, headers, _ = curl("/folder?q=1")
    assert status == 301 and headers["location"] == "./folder/?q=1", headers
    assert curl("//folder")[1]["location"] == "./folder/"  # never another host
    assert curl("/link.txt")[2] == b"inside\n"


def conditions():
    _, headers, _ = curl("/small.bin")
    tag, date = headers["etag"], headers["last-modified"]
    assert curl("/small.bin", "-H", f"If-None-Match: {tag}")[0::2] == (304, b"")
    assert curl("/small.bin", "-H", f'If-None-Match: "x", W/{tag}')[0] == 304
    assert curl("/small.bin", "-H", 'If-None-Match: "x"')[0] == 200
    assert curl("/small.bin", "-H", f"If-Modified-Since: {date}")[0] == 304
    assert curl("/small.bin", "-H", "If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT")[0] == 200
    assert curl("/small.bin", "-H", 'If-Match: "x"')[0] == 412
    assert curl("/small.bin", "-H", f"If-Match: {tag}")[0] == 200
    assert curl("/small.bin", "-H", "If-Unmodified-Since: Sun, 06 Nov 1994 08:49:37 GMT")[0] == 412
    part = curl("/small.bin", "-r", "0-9", "-H", f"If-Range: {tag}")
    assert part[0] == 206 and part[2] == read("small.bin")[:10]
    assert curl("/small.bin", "-r", "0-9", "-H", 'If-Range: "x"')[0] == 200


def ranges():
    for name in ("small.bin", "large.bin"):
        whole = read(name)
        size = len(whole)
        for text, first, last in (("0-0", 0, 1), ("5-9", 5, 10), ("100-", 100, size), ("-7", size - 7, size),
                                  (f"{size - 1}-{size + 99}", size - 1, size), (f"-{size + 5}", 0, size)):
            status, headers, body = curl("/" + name, "-r", text)
            assert status == 206 and body == whole[first:last], (name, text, status, len(body))
            assert headers["content-range"] == f"bytes {first}-{last - 1}/{size}", headers
        status, headers, _ = curl("/" + name, "-r", f"{size}-")
        assert status == 416 and headers["content-range"] == f"bytes */{size}"
        status, headers, body = curl("/" + name, "-I", "-r", "0-9")
        assert status == 200 and headers["content-length"] == str(size) and body == b""
        assert curl("/" + name, "-r", "0-1,5-6")[0] == 200  # several: all of it, as the RFC allows


def traversal():
    for path in ("/../outside/secret", "/%2e%2e/outside/secret", "/..%2foutside/secret", "/folder/../../outside/secret",
                 "/.%2e/outside/secret", "/%2e%2e%2foutside%2fsecret", "/..%5coutside%5csecret", "/..\\outside\\secret",
                 "/%252e%252e/outside/secret", "/%c0%ae%c0%ae/outside/secret", "/....//outside/secret",
                 "/up/secret", "/absolute", "/environ", "/loop", "/fifo", "/.hidden/secret", "/%2ehidden/secret",
                 "/inside.txt/", "/inside.txt%00.html", "/inside.txt%00", "/bare/", "/folder/nothing", "/%zz",
                 "//etc/passwd", "/etc/passwd", "/" + "a" * 300, "/" + "a/" * 2000):
        status, _, body = curl(path)
        assert status in (400, 404, 414) and b"secret" not in body and b"root:" not in body, (path, status)
    if os.geteuid() == 0:
        print("  SKIP an unreadable file: root reads every one")
    else:
        os.chmod(os.path.join(ROOT, "inside.txt"), 0)
        time.sleep(1.1)
        assert curl("/inside.txt")[0] == 403
        os.chmod(os.path.join(ROOT, "inside.txt"), 0o644)


def changes():
    """What is changed is seen after a second; what becomes shorter while it is sent is cut off."""
    path = os.path.join(ROOT, "changing.txt")
    with open(path, "w") as file:
        file.write("one\n")
    assert curl("/changing.txt")[2] == b"one\n"
    with open(path, "w") as file:
        file.write("another\n")
    assert curl("/changing.txt", "-I")[1]["etag"].startswith("W/")  # it may change again within the same moment
    time.sleep(1.1)
    assert curl("/changing.txt")[2] == b"another\n"
    os.unlink(path)
    time.sleep(1.1)
    assert curl("/changing.txt")[0] == 404
    with open(path, "wb") as file:
        file.truncate(30_000_000)
    with connect() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.sendall(b"GET /changing.txt HTTP/1.1\r\nHost: a\r\n\r\n")
        got = len(client.recv(1000))
        os.truncate(path, 100)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)  # what is under way comes soon
        try:
            while True:
                part = len(client.recv(65536))
                if part == 0:
                    break
                got += part
        except ConnectionResetError:
            pass
        assert got < 30_000_000, got
    os.unlink(path)


def leased():
    """Who has a lease on a file and does not give it back holds up nobody."""
    path = os.path.join(ROOT, "leased.txt")
    before = signal.signal(signal.SIGIO, signal.SIG_IGN)
    with open(path, "w") as file:
        file.write("x")
    with open(path, "r+") as file:
        try:
            fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_WRLCK)
        except OSError:
            print("  SKIP a lease: not on this file system")
            return
        started = time.monotonic()
        assert curl("/leased.txt")[0] == 503
        assert curl("/inside.txt")[0] == 200
        assert time.monotonic() - started < 5
    os.unlink(path)
    signal.signal(signal.SIGIO, before)


def large_file():
    """One who reads slowly gets all of it, and meanwhile it is not in memory."""
    before = rss()
    data = read("large.bin")
    clients = [connect() for _ in range(20)]
    for client in clients:
        client.sendall(b"GET /large.bin HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    time.sleep(1)
    assert rss() - before < 60_000_000, rss() - before  # of 600 MB; it is 3 MB a connection at most
    clients[0].setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    got, count = hashlib.sha256(), 0
    head = b""
    while b"\r\n\r\n" not in head:
        head += clients[0].recv(1)
    while True:
        part = clients[0].recv(65536)
        if not part:
            break
        if count < 2_000_000:
            time.sleep(0.005)
        got.update(part)
        count += len(part)
    assert count == len(data) and got.digest() == hashlib.sha256(data).digest(), count
    for client in clients:
        client.close()
    out = subprocess.run(["curl", "-s", f"http://{ADDRESS}/large.bin"], stdout=subprocess.PIPE, check=True).stdout
    assert out == data


def smuggling():
    host = b"Host: a\r\n"
    hidden = b"GET /hello/smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
    for text in (b"POST / HTTP/1.1\r\n" + host + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                 b"POST / HTTP/1.1\r\n" + host + b"Content-Length: 4\r\nContent-Length: 5\r\n\r\nabcd",
                 b"POST / HTTP/1.1\r\n" + host + b"Content-Length: +4\r\n\r\nabcd",
                 b"POST / HTTP/1.1\r\n" + host + b"Content-Length: 4, 4\r\n\r\nabcd",
                 b"POST / HTTP/1.1\r\n" + host + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
                 b"POST / HTTP/1.1\r\n" + host + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n",
                 b"POST / HTTP/1.1\r\n" + host + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
                 b"POST / HTTP/1.0\r\n" + host + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                 b"GET / HTTP/1.1\nHost: a\n\n",
                 b"GET / HTTP/1.1\r\n" + host + b"X: a\r\n b\r\n\r\n",
                 b"GET / HTTP/1.1\r\n\r\n",
                 b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
                 b"GET  / HTTP/1.1\r\n" + host + b"\r\n",
                 b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"):
        got = talk(text + hidden)
        assert re.search(rb"HTTP/1.1 (400|501) ", got) and b"smuggled" not in got, (text, got)
        assert b"Connection: close" in got
    # The answer to the head is out before the body shows what it is: the connection ends behind it.
    got = talk(b"POST / HTTP/1.1\r\n" + host + b"Transfer-Encoding: chunked\r\n\r\n4x\r\nabcd\r\n0\r\n\r\n" + hidden)
    assert got.count(b"HTTP/1.1") == 1 and got.startswith(b"HTTP/1.1 405"), got
    assert talk(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").startswith(b"HTTP/1.1 505")


def keep_alive():
    """A thousand connections, each asked several times: in order, and in bounded memory."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < 1200:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, hard), hard))
    before = rss()
    clients = [connect() for _ in range(1000)]
    for number in range(3):
        for at, client in enumerate(clients):
            client.sendall(b"GET /hello/n%d-%d HTTP/1.1\r\nHost: a\r\n\r\n" % (at, number))
        for at, client in enumerate(clients):
            got = client.recv(4096)
            assert got.endswith(b"hello, n%d-%d\n" % (at, number)), got
    grown = rss() - before
    assert grown < 16_000_000, grown
    print(f"  1,000 connections: {grown // 1000} bytes each")
    for client in clients:
        client.close()
    assert settles(fds, 60), fds()


def slowloris():
    """Heads that never end are ended by the server, and nobody else is kept waiting."""
    slow = [connect() for _ in range(200)]
    started = time.monotonic()
    for client in slow:
        client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n")
    while time.monotonic() - started < 7:
        for client in slow:
            try:
                client.send(b"X: y\r\n")
            except OSError:
                pass
        asked = time.monotonic()
        assert curl("/hello/you")[0] == 200
        assert time.monotonic() - asked < 2
        time.sleep(0.5)
    ended = 0
    for client in slow:
        try:
            got = client.recv(4096)
            ended += got.startswith(b"HTTP/1.1 408") or got == b""
        except ConnectionResetError:
            ended += 1
        client.close()
    assert ended == 200, ended


def events():
    """A hundred hear the same; those who leave are forgotten."""
    before = fds()
    clients = [connect() for _ in range(100)]
    for client in clients:
        client.sendall(b"GET /events HTTP/1.1\r\nHost: a\r\nAccept: text/event-stream\r\n\r\n")
    time.sleep(1.5)
    ticks = None
    for client in clients:
        client.settimeout(5)
        got = b""
        while got.count(b"data: ") < 5:
            got += client.recv(65536)
        assert b"text/event-stream" in got
        seen = set(re.findall(rb'"tick":(\d+)', got))
        ticks = seen if ticks is None else ticks & seen
    assert ticks, "they do not hear the same"
    for client in clients:
        client.close()
    assert settles(fds, before), (fds(), before)


def streams_together():
    """Files, pages and event streams at once, from several threads."""
    failures = []

    def work(path, expected):
        try:
            for _ in range(10):
                if curl(path)[2] != expected:
                    failures.append(path)
        except Exception as error:  # whatever it is, it is to be told by the main thread
            failures.append(repr(error))

    threads = [threading.Thread(target=work, args=args) for args in
               (("/small.bin", read("small.bin")), ("/hello/a", b"hello, a\n"), ("/folder/", b"index\n")) * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures, failures


cases = [basics, conditions, ranges, traversal, smuggling, keep_alive, events, large_file, streams_together]
if sys.argv[4] == "all":
    cases += [changes, leased, slowloris]
for case in cases:
    started = time.monotonic()
    case()
    print(f"  {case.__name__}: {time.monotonic() - started:.1f} s")
