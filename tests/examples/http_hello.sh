#!/usr/bin/env bash
# The HTTP server with every backend that has streams, as curl and hostile clients see it: http_hello.py asks.
# shellcheck source=tests/examples/common.bash
source "$(dirname "${BASH_SOURCE[0]}")/common.bash"

command -v curl >/dev/null || skip "no curl here; Debian's package is curl"

public=$temporary/public
outside=$temporary/outside
mkdir -p "$public/folder" "$public/bare" "$public/.hidden" "$outside"
cp "$root"/examples/http_hello/public/* "$public"
echo secret >"$outside/secret"
echo secret >"$public/.hidden/secret"
echo index >"$public/folder/index.html"
echo inside >"$public/inside.txt"
: >"$public/empty.txt"
mkfifo "$public/fifo"
ln -s inside.txt "$public/link.txt"
ln -s "$outside/secret" "$public/absolute"
ln -s ../outside "$public/up"
ln -s /proc/self/environ "$public/environ"
ln -s loop "$public/loop"
head -c 50000 /dev/urandom >"$public/small.bin"
head -c 30000000 /dev/urandom >"$public/large.bin"
touch -d "1 hour ago" "$public"/*.bin # what has just been written has a weak tag

serve() { # <flag>...: sets $address
    start server "$(program http_hello)" --port 0 --root "$public" "$@"
    wait_for server '^http://'
    address=$(sed -n 's,^http://,,p' "$temporary/server.out")
}

ends_well() {
    kill -TERM "$pid"
    ends "$pid" 0
}

which=all # once: what takes long and is the same with each
for io in epoll poll auto; do
    serve --io "$io"
    python3 "$(dirname "${BASH_SOURCE[0]}")/http_hello.py" "$address" "$pid" "$public" $which || fail "$io: see above"
    ends_well
    which=quick
done

serve --workers 2
for _ in $(seq 20); do
    [[ $(curl -sf "http://$address/hello/you") == "hello, you" ]] || fail "two workers"
done
ends_well

# With few descriptors those who come are turned away, files get 503, and it goes on.
serve --io epoll
prlimit --pid "$pid" --nofile=40:40 || skip "prlimit: cannot lower the number of descriptors"
python3 - "$address" <<'END' || fail "out of descriptors"
import http.client, socket, sys, time, urllib.request
host, port = sys.argv[1].rsplit(":", 1)
def ask(path):
    one.request("GET", path)
    response = one.getresponse()
    response.read()
    return response.status
one = http.client.HTTPConnection(host, int(port), timeout=10)
assert ask("/hello/you") == 200
many = []
for _ in range(60):
    try:
        many.append(socket.create_connection((host, int(port)), timeout=5))
    except OSError:
        break
time.sleep(0.5)
assert ask("/small.bin") == 503 and ask("/hello/you") == 200
for each in many:
    each.close()
time.sleep(0.5)
assert ask("/small.bin") == 200
assert urllib.request.urlopen(f"http://{sys.argv[1]}/hello/you", timeout=10).read() == b"hello, you\n"
END
ends_well

# A second one on the same port says so.
serve
run second 1 "$(program http_hello)" --port "${address##*:}" --root "$public"
says second "[Aa]ddress already in use"
run third 1 "$(program http_hello)" --port 0 --root "$public/nowhere"
says third "[Nn]o such file"
ends_well
