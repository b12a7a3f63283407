"""Asks http_hello over TLS what clients ask, and what they should not. It is started where one.pem, two.pem (with
their keys), cert.pem and key.pem lie, the last two of which the server reads at SIGHUP.

usage: https_hello.py ADDRESS PID
"""
import os
import re
import shutil
import signal
import socket
import ssl
import sys
import threading
import time

HOST, PORT = sys.argv[1].rsplit(":", 1)
PID = int(sys.argv[2])
CONTEXT = ssl.create_default_context(cafile="one.pem")
CONTEXT.load_verify_locations("two.pem")
CONTEXT.set_alpn_protocols(["http/1.1"])


def rss():
    with open(f"/proc/{PID}/status") as file:
        return int(re.search(r"VmRSS:\s+(\d+)", file.read()).group(1)) * 1024


def fds():
    return len(os.listdir(f"/proc/{PID}/fd"))


def settles(limit):
    for _ in range(200):
        if fds() <= limit:
            return
        time.sleep(0.05)
    raise AssertionError(f"{fds()} descriptors, not {limit}")


def connect():
    return socket.create_connection((HOST, int(PORT)), timeout=20)


def secure(session=None):
    client = CONTEXT.wrap_socket(connect(), server_hostname="localhost", session=session)
    assert client.selected_alpn_protocol() == "http/1.1"
    return client


def get(path):
    return b"GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n" % path.encode()


def response(client):
    """The body of one response that has a Content-Length."""
    got = b""
    while b"\r\n\r\n" not in got:
        part = client.recv(65536)
        assert part, got
        got += part
    head, body = got.split(b"\r\n\r\n", 1)
    assert head.startswith(b"HTTP/1.1 200"), head
    size = int(re.search(rb"Content-Length: (\d+)", head).group(1))
    while len(body) < size:
        body += client.recv(65536)
    return body


def pipelined():
    """A hundred requests at once, then close_notify: all are answered in order, and the server says the same."""
    client = secure()
    client.sendall(b"".join(get(f"/hello/{n}") for n in range(100)))
    got = b""
    while got.count(b"hello, ") < 100:
        got += client.recv(65536)
    assert re.findall(rb"hello, (\d+)\n", got) == [b"%d" % n for n in range(100)]
    client.unwrap().close()  # raises without the server's close_notify
    client = secure()
    client.sendall(b"GET /hello/you HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    got = b""
    while part := client.recv(65536):  # the same, as suppress_ragged_eofs is not asked for
        got += part
    assert got.endswith(b"hello, you\n")


def keep_alive():
    """Three hundred connections that were asked and are idle, in bounded memory."""
    before = rss()
    clients = [secure() for _ in range(300)]
    for number in range(2):
        for client in clients:
            client.sendall(get(f"/hello/n{number}"))
            assert response(client) == b"hello, n%d\n" % number
    grown = (rss() - before) // 300
    print(f"    {grown} bytes for a connection")
    assert grown < 60_000, grown
    opened = fds()
    for client in clients:
        client.close()
    settles(opened - 300)


def slow_readers():
    """Ten who read a file of 100 MB slowly, or not: it is not in memory, and who reads gets all of it."""
    with open("public/large.bin", "rb") as file:
        data = file.read()
    before = rss()
    clients = [secure() for _ in range(10)]
    for client in clients:
        client.sendall(get("/large.bin"))
    time.sleep(1)
    highest, got = rss() - before, 0
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += clients[0].recv(1)
    while got < len(data):
        part = clients[0].recv(65536)
        assert part == data[got:got + len(part)]
        got += len(part)
        if got < 2_000_000:
            time.sleep(0.005)
            highest = max(highest, rss() - before)
    highest = max(highest, rss() - before)
    print(f"    of 1 GB {highest // 1000} kB are in memory")
    assert highest < 30_000_000, highest
    for client in clients:
        client.close()


def streams():
    """An event stream goes on, and ends when the client has left."""
    before = fds()
    clients = [secure() for _ in range(20)]
    for client in clients:
        client.sendall(get("/events"))
    for client in clients:
        got = b""
        while got.count(b"data: ") < 3:
            got += client.recv(65536)
        client.close()  # FIN without close_notify
    settles(before)


def no_tls():
    """Garbage, plain HTTP, and ends in every part of a handshake and of a request: all are closed."""
    before = fds()
    for text in (b"\0" * 100, b"\xff" * 100, os.urandom(5000), b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"\x16\x03\x01\xff\xff",
                 b"\x16\x03\x01\x00\x05\x01\xff\xff\xff\xff"):
        with connect() as client:
            client.sendall(text)
            client.shutdown(socket.SHUT_WR)
            got = b""
            try:
                while part := client.recv(65536):
                    got += part
            except ConnectionResetError:
                pass
            assert b"HTTP" not in got and len(got) < 100, got
    record = bytearray()
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    hello = CONTEXT.wrap_bio(incoming, outgoing, server_hostname="localhost")
    try:
        hello.do_handshake()
    except ssl.SSLWantReadError:
        record += outgoing.read()
    for cut in range(1, len(record), 20):
        with connect() as client:
            client.sendall(record[:cut])
    client = secure()
    client.sendall(b"GET /hello/you HTTP/1.1\r\nHo")
    client.close()
    settles(before)


def under_load():
    """Certificates change four times while eight threads come and go: each gets one or the other."""
    failures, done = [], threading.Event()
    count = [0] * 8
    kept = secure()

    def work(at):
        try:
            while not done.is_set():
                with secure() as client:
                    for n in range(5):
                        client.sendall(get(f"/hello/{at}-{n}"))
                        assert response(client) == b"hello, %d-%d\n" % (at, n)
                count[at] += 1
        except Exception as error:  # whatever it is, it is to be told by the main thread
            failures.append(repr(error))

    threads = [threading.Thread(target=work, args=(at,)) for at in range(8)]
    for thread in threads:
        thread.start()
    for name in ("two", "one", "two", "one"):
        shutil.copy(f"{name}.pem", "cert.pem")
        shutil.copy(f"{name}.key", "key.pem")
        os.kill(PID, signal.SIGHUP)
        time.sleep(0.5)
        kept.sendall(get("/hello/kept"))
        assert response(kept) == b"hello, kept\n"
    done.set()
    for thread in threads:
        thread.join()
    assert not failures and min(count) > 0, (failures, count)
    print(f"    {sum(count)} handshakes")


def slowloris():
    """Handshakes that do not end are ended after 10 s, and nobody is kept waiting by them."""
    before = fds()
    silent = [connect() for _ in range(50)]
    slow = [connect() for _ in range(50)]
    started = time.monotonic()
    for client in slow:
        client.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
    while time.monotonic() - started < 9:
        for client in slow:
            client.send(b"a")
        asked = time.monotonic()
        with secure() as client:
            client.sendall(get("/hello/you"))
            assert response(client) == b"hello, you\n"
        assert time.monotonic() - asked < 2
        time.sleep(0.5)
    for client in silent + slow:
        try:
            assert client.recv(100) == b""
        except ConnectionResetError:
            pass
        assert time.monotonic() - started < 15
        client.close()
    assert time.monotonic() - started > 9.5
    settles(before)


for case in (keep_alive, pipelined, slow_readers, streams, no_tls, under_load, slowloris):
    started = time.monotonic()
    case()
    print(f"  {case.__name__}: {time.monotonic() - started:.1f} s")
