# shellcheck shell=bash
# Shared by the scripts that run programs as a user would. Source it. Whatever start() started is
# ended when the script ends, by its process id.

set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
build=${LEAT_BUILD:-$root/build/release}
temporary=$(mktemp -d "${TMPDIR:-/tmp}/leat.XXXXXX")
export TMPDIR=$temporary # what those leave that are killed goes with it
started=()

cleanup() {
    local pid
    for pid in "${started[@]}"; do
        if kill -0 "$pid" 2>/dev/null; then
            kill -KILL "$pid" 2>/dev/null || true
        fi
        wait "$pid" 2>/dev/null || true
    done
    rm -rf "$temporary"
}
trap cleanup EXIT
trap 'exit 1' INT TERM

fail() {
    local file
    {
        echo "FAIL: $*"
        for file in "$temporary"/*.out "$temporary"/*.err; do
            [[ -s $file ]] || continue
            echo "--- ${file##*/}"
            tail -n 20 "$file"
        done
    } >&2
    exit 1
}

skip() {
    echo "$*"
    exit 77
}

# Where the program of an example is.
program() {
    local path=$build/examples/$1/$1
    [[ -x $path ]] || fail "$path is not built"
    echo "$path"
}

# "uring" where the build has io_uring and this machine lets us.
uring() {
    local echo
    echo=$(program udp_echo)
    if "$echo" --io uring --seconds 1 --port 0 >/dev/null 2>&1; then echo uring; fi
}

# start <name> <command>...: in the background; sets $pid. Its output is in $temporary/<name>.out, .err.
start() {
    local name=$1
    shift
    : >"$temporary/$name.out" # now, so that wait_for does not find what an earlier one printed
    "$@" >"$temporary/$name.out" 2>"$temporary/$name.err" </dev/null &
    pid=$!
    started+=("$pid")
}

# run <name> <expected status> <command>...: in the foreground, for at most a minute.
run() {
    local name=$1 expected=$2 status=0
    shift 2
    timeout -k 5 60 "$@" >"$temporary/$name.out" 2>"$temporary/$name.err" </dev/null || status=$?
    ((status == expected)) || fail "$* ended with status $status, not $expected"
}

# wait_for <name> <pattern>: until the program has printed it.
wait_for() {
    local name=$1 pattern=$2
    for _ in $(seq 200); do
        grep -qE -- "$pattern" "$temporary/$name.out" && return 0
        sleep 0.05
    done
    fail "$name did not print \"$pattern\" in 10 s"
}

# says <name> <pattern>: whether it did, on either stream.
says() {
    grep -qE -- "$2" "$temporary/$1.out" "$temporary/$1.err" || fail "$1 does not say \"$2\""
}

# ends <pid> <expected status>: in at most 10 s.
ends() {
    local status=0 other others=()
    for _ in $(seq 200); do
        kill -0 "$1" 2>/dev/null || break
        sleep 0.05
    done
    ! kill -0 "$1" 2>/dev/null || fail "process $1 did not end in 10 s"
    for other in "${started[@]}"; do # the id may be somebody else's from here on
        [[ $other == "$1" ]] || others+=("$other")
    done
    started=("${others[@]}")
    wait "$1" || status=$?
    ((status == $2)) || fail "process $1 ended with status $status, not $2"
}

# start_server <argument>...: a udp_echo on a port that the kernel chooses; sets $address and $pid.
start_server() {
    start server "$(program udp_echo)" --port 0 "$@"
    wait_for server '^listening on '
    address=$(sed -nE 's/^listening on (.*)$/\1/p' "$temporary/server.out")
}

has_ipv6() {
    python3 -c 'import socket; socket.socket(socket.AF_INET6, socket.SOCK_DGRAM).bind(("::1", 0))' \
        2>/dev/null
}

# json <name> <python expression over `objects`, one a line of the output>: whether it is true.
json() {
    python3 - "$temporary/$1.out" "$2" <<'END' || fail "$1: not so: $2"
import json, sys
with open(sys.argv[1]) as file:
    objects = [json.loads(line) for line in file]
sys.exit(not eval(f"({sys.argv[2]})"))
END
}
