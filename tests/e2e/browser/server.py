"""What pages talk to: the server under test, pages of another origin, and a way between that loses packets."""

import functools
import http.server
import os
import random
import re
import select
import signal
import socket
import subprocess
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))


def free_port():
    """A number that is free for UDP now."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """whip_whep on a port that the kernel chooses."""

    def __init__(self, folder, *flags):
        program = os.environ["WHIP_WHEP"]
        self.log = os.path.join(folder, "whip_whep.err")
        self.file = open(self.log, "a")
        self.process = subprocess.Popen([program, "--port", "0", *flags], stdout=subprocess.PIPE,
                                        stderr=self.file, stdin=subprocess.DEVNULL, text=True)
        line = self.process.stdout.readline()
        found = re.match(r"(https?://\S+)", line)
        if not found:
            raise RuntimeError(f"whip_whep says: {line!r}, ends with {self.process.wait()}")
        self.url = found[1]

    def whip(self, stream):
        return f"{self.url}/whip/{stream}"

    def whep(self, stream):
        return f"{self.url}/whep/{stream}"

    def hangup(self):
        self.process.send_signal(signal.SIGHUP)

    def alive(self):
        return self.process.poll() is None

    def stop(self):
        """Ends it as a user would; its status."""
        if self.alive():
            self.process.terminate()
        try:
            status = self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            status = self.process.wait()
        self.process.stdout.close()
        self.file.close()
        return status


class Quiet(http.server.SimpleHTTPRequestHandler):
    extensions_map = {**http.server.SimpleHTTPRequestHandler.extensions_map, ".js": "text/javascript"}

    def log_message(self, *_):
        pass


class Pages:
    """Serves this folder, from an origin that is not the server's."""

    def __init__(self, folder=HERE):
        handler = functools.partial(Quiet, directory=folder)
        self.httpd = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.port = self.httpd.server_port
        threading.Thread(target=self.httpd.serve_forever, daemon=True).start()

    def url(self, host="127.0.0.1"):
        return f"http://{host}:{self.port}/probe.html"

    def stop(self):
        self.httpd.shutdown()
        self.httpd.server_close()


class Relay:
    """A UDP port that passes everything on to another one and back, but for what it is told to lose."""

    def __init__(self, target_port, loss, seed):
        self.random = random.Random(seed)
        self.loss = loss
        self.lost = self.passed = 0
        self.target = ("127.0.0.1", target_port)
        self.front = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.front.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self.front.bind(("127.0.0.1", 0))
        self.port = self.front.getsockname()[1]
        self.to_server = {}  # a client's address: the socket that stands for it
        self.to_client = {}
        self.ended = False
        self.thread = threading.Thread(target=self.work, daemon=True)
        self.thread.start()

    def loses(self, datagram):
        # Only media: what is lost of a handshake is the business of other tests.
        lost = datagram[:1] and 128 <= datagram[0] < 192 and self.random.random() < self.loss
        self.lost += lost
        self.passed += not lost
        return lost

    def stand_in(self, client):
        if client not in self.to_server:
            made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            made.connect(self.target)
            self.to_server[client] = made
            self.to_client[made] = client
        return self.to_server[client]

    def work(self):
        while not self.ended:
            for ready in select.select([self.front, *self.to_client], [], [], 0.1)[0]:
                try:
                    datagram, client = ready.recvfrom(65536)
                    if self.loses(datagram):
                        continue
                    if ready is self.front:
                        self.stand_in(client).send(datagram)
                    else:
                        self.front.sendto(datagram, self.to_client[ready])
                except OSError:
                    pass  # an end that has gone

    def stop(self):
        self.ended = True
        self.thread.join()
        for each in (self.front, *self.to_client):
            each.close()


def until(condition, seconds, step=0.1):
    """Whether it became true in that time; the last thing it said."""
    deadline = time.monotonic() + seconds
    while True:
        answer = condition()
        if answer or time.monotonic() > deadline:
            return answer
        time.sleep(step)
