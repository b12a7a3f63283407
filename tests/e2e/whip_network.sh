#!/usr/bin/env bash
# A server that is asked at two addresses of each family, over a path whose MTU is smaller than its packets: answers leave from
# the address they were asked at, trains the path does not take arrive all the same, on each backend.
#
# All of it runs in two namespaces of this script's own, which are gone when it is, whatever ended it.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
build=${LEAT_BUILD:-$root/build/release}
server=$build/examples/whip_whep/whip_whep
load=$build/bench/whip_load

cannot() { echo "$*"; exit 77; }

if [[ ${1:-} != --inside ]]; then
    [[ -x $server && -x $load ]] || cannot "whip_whep and whip_load are not built: this leat has no OpenSSL"
    for tool in ip unshare nsenter python3; do
        command -v $tool >/dev/null || cannot "$tool is missing (Debian: iproute2, util-linux, python3)"
    done
    # A process namespace of our own: when its first process ends, the kernel ends the others.
    new=(unshare --net --pid --fork --kill-child --mount-proc)
    ((EUID == 0)) || new+=(--user --map-root-user)
    "${new[@]}" true 2>/dev/null || cannot "no namespaces can be made here: root or user namespaces are needed"
    exec "${new[@]}" "${BASH_SOURCE[0]}" --inside
fi

temporary=$(mktemp -d "${TMPDIR:-/tmp}/leat.XXXXXX")
trap 'rm -rf "$temporary"' EXIT

unshare --net sleep infinity & # the clients' network lives as long as this
other=$!
enter=(nsenter "--net=/proc/$other/ns/net")
for _ in $(seq 100); do
    [[ $(readlink /proc/$other/ns/net) != $(readlink /proc/self/ns/net) ]] && break
    sleep 0.02
done

ip link set lo up
"${enter[@]}" ip link set lo up
ip link add left mtu 1280 type veth peer name right mtu 1280 netns "$other"
for last in 1 3; do
    ip addr add 192.0.2.$last/24 dev left
    ip addr add 2001:db8::$last/64 dev left nodad
done
"${enter[@]}" ip addr add 192.0.2.2/24 dev right
"${enter[@]}" ip addr add 2001:db8::2/64 dev right nodad
ip link set left up
"${enter[@]}" ip link set right up

fail() {
    echo "FAIL: $*" >&2
    tail -n 20 "$temporary"/* >&2
    exit 1
}

# try <what> <address as in a URL> <server flag>...: five viewers for two seconds, nothing missing.
try() {
    local what=$1 address=$2 pid
    shift 2
    "$server" --open --port 8080 --workers 2 "$@" >"$temporary/server" 2>&1 &
    pid=$!
    for _ in $(seq 100); do
        grep -q '^http://' "$temporary/server" && break
        kill -0 "$pid" 2>/dev/null || fail "$what: the server has ended"
        sleep 0.05
    done
    "${enter[@]}" "$load" --whip "http://$address:8080/whip/net" --whep "http://$address:8080/whep/net" \
        --viewers 5 --seconds 2 --kbps 3000 >"$temporary/load" 2>"$temporary/load.err" || fail "$what"
    # Connected sockets take nothing from another address than the one they asked.
    python3 - "$temporary/load" <<'END' || fail "$what: see the figures"
import json, sys
report = json.load(open(sys.argv[1]))
sys.exit(not (report["ok"] and report["flowing"] == 5 and report["lost"] == 0 and report["packets"] > 2500))
END
    kill -TERM "$pid"
    wait "$pid" || fail "$what: the server's end"
    echo "PASS $what"
}

for io in auto epoll poll; do
    try "IPv4, $io" 192.0.2.1 --bind 0.0.0.0 --io "$io"
    try "IPv4, the second address, $io" 192.0.2.3 --bind 0.0.0.0 --io "$io" --advertise 192.0.2.3
done
try "IPv6" "[2001:db8::1]" --bind :: --advertise 2001:db8::1
try "IPv6, the second address" "[2001:db8::3]" --bind :: --advertise 2001:db8::3
try "an IPv4 client of a socket for both" 192.0.2.3 --bind :: --advertise 192.0.2.3
try "one port a worker" 192.0.2.1 --bind 0.0.0.0 --media-port-each
