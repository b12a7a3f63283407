#!/usr/bin/env bash
# The code in README.md and the guide is what it says: the echo server compiles, runs and answers, the
# tests are those of tests/unit/first_actor_test.c, everything else compiles; no link is dead.
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
for page in one-to-many streams tls http names tun; do
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
