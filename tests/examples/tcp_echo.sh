#!/usr/bin/env bash
# The TCP echo server with every backend that uses the kernel: all comes back, also to those who do not
# read for a while, and to many at once; a half close is answered.
# shellcheck source=tests/examples/common.bash
source "$(dirname "${BASH_SOURCE[0]}")/common.bash"

ask() {
    python3 - "${1##*:}" <<'END' || fail "the echo is wrong"
import hashlib, os, socket, sys, threading, time
def connect():
    return socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=20)
data = os.urandom(20_000_000)
def write(client):
    client.sendall(data)
    client.shutdown(socket.SHUT_WR)
client = connect()
writer = threading.Thread(target=write, args=(client,))
writer.start()
time.sleep(0.5)  # it has to wait for us now
got = hashlib.sha256()
count = 0
while True:
    part = client.recv(65536)
    if not part:
        break
    got.update(part)
    count += len(part)
writer.join()
assert count == len(data) and got.digest() == hashlib.sha256(data).digest(), count
clients = [connect() for _ in range(200)]
for number, client in enumerate(clients):
    client.sendall(b"%d\n" % number)
for number, client in enumerate(clients):
    assert client.recv(100) == b"%d\n" % number
    client.close()
END
}

for io in $(uring) epoll poll auto; do
    start server "$(program tcp_echo)" --io "$io" --port 0
    for _ in $(seq 100); do
        grep -q '^listening on' "$temporary/server.out" && break
        sleep 0.05
    done
    address=$(sed -n 's/^listening on //p' "$temporary/server.out")
    ask "$address"
    kill -TERM "$pid"
    ends "$pid" 0
done
