#!/usr/bin/env bash
# The code in README.md and the guide is what it says: the echo server and the media server compile, run and
# answer, the tests are those of tests/unit/first_actor_test.c, everything else compiles; no link is dead.
# shellcheck source=tests/examples/common.bash
source "$(dirname "${BASH_SOURCE[0]}")/common.bash"

# blocks <file> <name>: the code under "<!-- name -->"; without a name, one file for each C block in
# $temporary/block-N.c.
blocks() {
    python3 - "$root/$1" "$temporary" "${2:-}" <<'END'
import re, sys
text = open(sys.argv[1]).read()
found = re.findall(r"(?:<!-- (\S+) -->\n)?```c\n(.*?)```\n", text, re.DOTALL)
if sys.argv[3]:
    print("\n".join(code for name, code in found if name == sys.argv[3]), end="")
else:
    for number, code in enumerate(code for name, code in found if not name):
        with open(f"{sys.argv[2]}/block-{number}.c", "w") as file:
            file.write(code)
END
}

guide=docs/guide/first-actor.md
blocks $guide echo.c >"$temporary/echo.c"
blocks README.md echo.c | cmp - "$temporary/echo.c" || fail "README.md and the guide differ"
(($(grep -cv '^$' "$temporary/echo.c") <= 34)) || fail "the echo actor has grown"

# Every paragraph of the snippets is in the test.
for name in echo.c first_actor_test.c; do
    blocks $guide $name >"$temporary/snippet"
    python3 - "$temporary/snippet" "$root/tests/unit/first_actor_test.c" <<'END' || exit 1
import re, sys
snippet, test = (open(name).read() for name in sys.argv[1:])
for part in re.split(r"\n\n(?=\S)", snippet.strip()):
    if not part.startswith("#include") and part not in test:
        print(f"FAIL: the guide's test is not in {sys.argv[2]}:\n{part}")
        sys.exit(1)
END
done

flags=(-std=c11 -Wall -Wextra -Wpedantic -Wconversion -Werror -I"$root/include")
blocks $guide
for block in "$temporary"/block-*.c; do
    # Parts of a program: what they leave unused is used by the rest of it.
    cc "${flags[@]}" -include errno.h -include leat/leat.h -include leat/testing.h -Wno-unused-function \
        -Wno-unused-const-variable -Wno-unused-variable -O0 -fsyntax-only "$block" || fail "a block of the guide does not compile: $(cat "$block")"
done

# Each of the other pages is one program without a main: its blocks build on each other.
pages=(one-to-many streams tls http names tun)
[[ ! -e $build/leat-media.pc ]] || pages+=(media-bus)
for page in "${pages[@]}"; do
    rm "$temporary"/block-*.c
    blocks "docs/guide/$page.md"
    cat "$temporary"/block-*.c >"$temporary/$page.c"
    cc "${flags[@]}" -Wno-unused-function -O0 -fsyntax-only "$temporary/$page.c" ||
        fail "docs/guide/$page.md does not compile"
done

# Its port is a fixed one; here it is one that is free.
port=$(python3 -c 'import socket; s = socket.socket(type=socket.SOCK_DGRAM)
s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
blocks $guide main.c | sed "s/127\.0\.0\.1:7777/127.0.0.1:$port/" >>"$temporary/echo.c"
cmake --build "$build" --target leat >/dev/null # the shared library: the examples need only the other
cc "${flags[@]}" -O1 "$temporary/echo.c" -L"$build" -Wl,-rpath,"$build" -lleat \
    -o "$temporary/echo" || fail "the guide's echo server does not compile"
start echo "$temporary/echo"
python3 - "$port" <<'END' || fail "the guide's echo server does not answer"
import socket, sys, time
client = socket.socket(type=socket.SOCK_DGRAM)
client.connect(("127.0.0.1", int(sys.argv[1])))
client.settimeout(0.2)
for _ in range(50):
    try:
        client.send(b"hello")
        sys.exit(client.recv(100) != b"hello")
    except (ConnectionRefusedError, TimeoutError):
        time.sleep(0.1)
sys.exit(1)
END
kill -TERM "$pid"
ends "$pid" 0

# The media server, which answers, and says so if its port is taken; and an answer without the runtime.
if [[ -e $build/leat-media.pc ]]; then # OpenSSL is there
    port=$(python3 - <<'END'
import socket
for _ in range(100):
    with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
        tcp.bind(("127.0.0.1", 0))
        try:
            udp.bind(tcp.getsockname())
        except OSError:
            continue
        print(tcp.getsockname()[1])
        break
END
    )
    rm "$temporary"/block-*.c
    blocks docs/guide/whip-whep.md
    sed "s/127\.0\.0\.1:8080/127.0.0.1:$port/" "$temporary"/block-*.c >"$temporary/service.c"
    cmake --build "$build" --target leat_media >/dev/null
    cc "${flags[@]}" -O1 "$temporary/service.c" -L"$build" -Wl,-rpath,"$build" -lleat-media -lleat-http -lleat \
        -o "$temporary/service" || fail "docs/guide/whip-whep.md does not compile"
    offer=$root/tests/fuzz/corpus/webrtc_sdp/chromium_publish_simulcast
    start service "$temporary/service"
    wait_for service '^POST http'
    python3 - "$port" "$offer" <<'END' || fail "the guide's media server does not answer as it says"
import http.client, sys
port, offer = int(sys.argv[1]), open(sys.argv[2], "rb").read()
def ask(method, path, body=None, **headers):
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    client.request(method, path, body, {"Content-Type": "application/sdp", **headers})
    return client.getresponse()
secret = {"Authorization": "Bearer secret"}
assert ask("GET", "/streams").read() == b"[]"
assert ask("POST", "/whip/demo", offer).status == 401
assert ask("POST", "/whip/demo", offer, Authorization="Bearer secret!").status == 401
assert ask("POST", "/whip/demo", offer, **secret).status == 201
assert ask("POST", "/whip/endpoint", offer, **secret).headers["Location"].startswith("/whip/demo/")
END
    kill -TERM "$pid"
    ends "$pid" 0

    rm "$temporary"/block-*.c
    blocks protocols/webrtc/README.md
    cc "${flags[@]}" -O1 "$temporary"/block-*.c -L"$build" -Wl,-rpath,"$build" -lleat-webrtc -o "$temporary/answer" ||
        fail "protocols/webrtc/README.md does not compile"
    "$temporary/answer" <"$offer" >"$temporary/answer.out" || fail "it does not answer an offer"
    says answer '^a=candidate:.* 127\.0\.0\.1 8080 typ host'
    python3 - "$port" "$temporary/service" <<'END' || fail "the guide's media server has not said that its port is taken"
import socket, subprocess, sys
with socket.socket(type=socket.SOCK_DGRAM) as taken:
    taken.bind(("127.0.0.1", int(sys.argv[1])))
    ended = subprocess.run([sys.argv[2]], stderr=subprocess.PIPE, timeout=10)
sys.exit(ended.returncode != 1 or b"service: Address already in use" not in ended.stderr)
END
fi

# Links to files of this tree.
python3 - "$root" <<'END' || fail "dead links"
import os, re, sys
root, dead = sys.argv[1], 0
pages = [os.path.join(folder, name) for top in ("docs", "examples", "mailbox")
         for folder, _, names in os.walk(os.path.join(root, top)) for name in names]
for page in [os.path.join(root, "README.md")] + [page for page in pages if page.endswith(".md")]:
    text = open(page).read()
    anchors = {re.sub(r"[^\w\- ]", "", line).strip().lower().replace(" ", "-")
               for line in re.findall(r"^#+ (.*)$", text, re.MULTILINE)}
    for link in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"```.*?```", "", text, flags=re.DOTALL)):
        file, _, anchor = link.partition("#")
        if re.match(r"[a-z]+:", link):
            continue
        if file and not os.path.exists(os.path.join(os.path.dirname(page), file)):
            print(f"{page}: {link}")
            dead += 1
        elif not file and anchor not in anchors:
            print(f"{page}: {link}")
            dead += 1
sys.exit(dead > 0)
END
