"""An independent client of the UDP echo server: only the standard library, no code of leat's.

usage: udp_echo_client.py HOST PORT           every payload that was sent must come back, once
       udp_echo_client.py HOST PORT --gone PID  the server ends: connected sockets are told
"""

import os
import random
import select
import signal
import socket
import sys
import time

HOST, PORT = sys.argv[1], int(sys.argv[2])
FAMILY = socket.AF_INET6 if ":" in HOST else socket.AF_INET
TIMEOUT_S = 5
SIZES = (0, 1, 64, 1200, 9000, 65507)


def new_socket():
    client = socket.socket(FAMILY, socket.SOCK_DGRAM)
    client.settimeout(TIMEOUT_S)
    client.connect((HOST, PORT))  # so that answers from elsewhere are not taken
    return client


def check(condition, what):
    if not condition:
        print(f"FAIL: {what}")
        sys.exit(1)


def sizes(rng):
    """One of each size at a time, twice, over the same socket."""
    with new_socket() as client:
        for size in SIZES * 2:
            payload = rng.randbytes(size)
            client.send(payload)
            answer = client.recv(65536)
            check(answer == payload, f"{size} bytes came back as {len(answer)}, or other ones")


def burst(rng, sockets, each, size):
    """From many sockets at once; every socket gets its own datagrams back, and nothing else.

    All of them fit a receive buffer of the usual 208 KiB: the kernel drops what a server that has no
    CPU for a moment cannot take, and no server can do anything about that.
    """
    clients = [new_socket() for _ in range(sockets)]
    waiting = {}
    for number, client in enumerate(clients):
        # A zero-length datagram cannot be told apart, so every payload says whose and which it is.
        waiting[client] = {
            number.to_bytes(2, "big") + i.to_bytes(2, "big") + rng.randbytes(size)
            for i in range(each)
        }
        for payload in waiting[client]:
            client.send(payload)
    deadline = time.monotonic() + TIMEOUT_S
    while any(waiting.values()) and time.monotonic() < deadline:
        for client in select.select(clients, [], [], 0.1)[0]:
            answer = client.recv(65536)
            check(answer in waiting[client], "a datagram came back twice, changed, or elsewhere")
            waiting[client].remove(answer)
    missing = sum(len(payloads) for payloads in waiting.values())
    check(missing == 0, f"{missing} of {sockets} x {each} datagrams did not come back")
    time.sleep(0.05)
    check(not select.select(clients, [], [], 0)[0], "something came back twice")
    for client in clients:
        client.close()


def train(rng):
    """Many in a row from one socket, with mixed sizes: they come back in order."""
    with new_socket() as client:
        for _ in range(20):
            payloads = [rng.randbytes(rng.choice((100, 100, 100, 40, 101))) for _ in range(64)]
            for payload in payloads:
                client.send(payload)
            for number, payload in enumerate(payloads):
                check(client.recv(65536) == payload, f"number {number} of a train is another one")


def trickle(rng):
    with new_socket() as client:
        for _ in range(50):
            payload = rng.randbytes(rng.randrange(1, 1400))
            client.send(payload)
            check(client.recv(65536) == payload, "an answer of the trickle is another one")
            time.sleep(0.02)


def gone(pid):
    """Ends the server; a socket that is connected to it is then refused."""
    with new_socket() as client:
        client.send(b"still there?")
        check(client.recv(65536) == b"still there?", "no answer before the end")
        os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + TIMEOUT_S
        client.settimeout(0.2)
        while time.monotonic() < deadline:
            try:
                client.send(b"and now?")
                client.recv(65536)
            except ConnectionRefusedError:
                return
            except TimeoutError:
                pass
        check(False, "the server has ended, but its port does not refuse")


def main():
    if "--gone" in sys.argv:
        gone(int(sys.argv[4]))
        return
    seed = random.randrange(1 << 32)
    print(f"seed {seed}", flush=True)
    rng = random.Random(seed)
    sizes(rng)
    for _ in range(5):
        burst(rng, sockets=1, each=64, size=60)
        burst(rng, sockets=64, each=2, size=60)
        burst(rng, sockets=32, each=2, size=1200)
        burst(rng, sockets=8, each=1, size=9000)
    train(rng)
    trickle(rng)


main()
