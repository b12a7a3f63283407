#!/usr/bin/env bash
# The TLS echo server, asked by OpenSSL's own clients with every backend that uses the kernel: all comes back,
# also to those who do not read for a while, and to many at once; SIGHUP brings a new certificate while
# connections live, and a bad one changes nothing.
# shellcheck source=tests/examples/common.bash
source "$(dirname "${BASH_SOURCE[0]}")/common.bash"

[[ -x $build/examples/tls_echo/tls_echo ]] || skip "this build has no leat::tls"
command -v openssl >/dev/null || skip "there is no openssl here"
cd "$temporary"

make_certificate() { # <name> <host>
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj "/CN=$1" \
        -addext "subjectAltName=DNS:$2,IP:127.0.0.1" -keyout "$1.key" -out "$1.pem" 2>/dev/null
}

# s_client <port> <argument>...: what it says about the connection, and what it is told if there is time.
s_client() {
    local port=$1
    shift
    timeout 20 openssl s_client -connect "127.0.0.1:$port" -verify_return_error -brief "$@" 2>&1
}

ask() { # <port> <trusted certificate> <bytes> <connections>
    python3 - "$@" <<'END' || fail "the echo is wrong"
import hashlib, os, socket, ssl, sys, threading, time
context = ssl.create_default_context(cafile=sys.argv[2])
def connect():
    plain = socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=20)
    return context.wrap_socket(plain, server_hostname="localhost")
data = os.urandom(int(sys.argv[3]))
client = connect()
writer = threading.Thread(target=lambda: client.sendall(data))
writer.start()
time.sleep(0.3)  # it has to wait for us now
got = b""
while len(got) < len(data):
    part = client.recv(65536)
    assert part, len(got)
    got += part
writer.join()
assert got == data
client.unwrap()  # close_notify, both ways
clients = [connect() for _ in range(int(sys.argv[4]))]
for number, client in enumerate(clients):
    client.sendall(b"%d\n" % number)
for number, client in enumerate(clients):
    assert client.recv(100) == b"%d\n" % number
    client.unwrap()
END
}

make_certificate one localhost
make_certificate two localhost
for io in epoll poll auto; do
    cp one.pem cert.pem
    cp one.key key.pem
    start server "$(program tls_echo)" --io "$io" --port 0 --cert cert.pem --key key.pem
    wait_for server '^listening on '
    port=$(sed -nE 's/^listening on .*:([0-9]+)$/\1/p' server.out)
    ask "$port" one.pem 8000000 50

    for version in -tls1_2 -tls1_3; do
        { printf 'hello\n'; sleep 0.5; } |
            s_client "$port" "$version" -CAfile one.pem -verify_hostname localhost >client.out || true
        says client '^hello$'
        says client '^Verification: OK$'
    done
    s_client "$port" -CAfile one.pem -verify_hostname other.example </dev/null >client.out || true
    says client 'hostname mismatch'
    s_client "$port" -tls1_1 -cipher DEFAULT:@SECLEVEL=0 -CAfile one.pem </dev/null >client.out || true
    says client 'alert protocol version'
    exec 3<>"/dev/tcp/127.0.0.1/$port"
    printf 'GET / HTTP/1.0\r\n\r\n' >&3
    timeout 10 cat <&3 >/dev/null # until it is closed
    exec 3>&-
    exec 3<>"/dev/tcp/127.0.0.1/$port" # says nothing, and goes
    exec 3>&-

    cp two.pem cert.pem # with the key of the first: a bad certificate
    kill -HUP "$pid"
    wait_for server '^the old certificate stays: certificate 1: not to be used: private key mismatch$'
    ask "$port" one.pem 1000 1
    cp two.key key.pem
    kill -HUP "$pid"
    wait_for server '^new certificate$'
    ask "$port" two.pem 1000 1
    s_client "$port" -CAfile one.pem </dev/null >client.out || true
    says client 'verify error'

    kill -TERM "$pid"
    ends "$pid" 0
    says server 'a connection failed: http request'
    says server 'a connection failed: the connection ended in the handshake'
done
