#!/usr/bin/env bash
# A tunnel between two networks carries ping and iperf3, with super-packets whole and cut; it says what it
# lacks; nothing is left when it is killed.
# shellcheck source=tests/examples/common.bash
source "$(dirname "${BASH_SOURCE[0]}")/common.bash"

tunnel=$(program tunnel)

# The command line, which needs no privilege.
run wrong 2 "$tunnel"
says wrong '^tunnel: --peer: '
run wrong 2 "$tunnel" --peer 192.0.2.1:7700 --addr 10.9.0.1
says wrong '^tunnel: --addr: "10.9.0.1" is no list'
run wrong 2 "$tunnel" --peer 192.0.2.1:7700 --mtu 1500
says wrong '^tunnel: --mtu: packets of 1500 bytes do not fit; --underlay-mtu 1500 leaves room for 1460'

# Without the capability it is said what is missing.
if ((EUID == 0)) && command -v setpriv >/dev/null; then
    run powerless 1 setpriv --bounding-set -net_admin --inh-caps -net_admin "$tunnel" --port 0 \
        --peer 127.0.0.1:9
    says powerless 'cannot open TUN leat%d: Operation not permitted; CAP_NET_ADMIN is needed'
fi

demo() { "$root/examples/tunnel/run" --program "$tunnel" "$@"; }

# Processes that run this very program.
tunnels() {
    local exe
    for exe in /proc/[0-9]*/exe; do
        [[ $(readlink "$exe" 2>/dev/null) != "$tunnel" ]] || echo "$exe"
    done
}

status=0
demo --seconds 1 >"$temporary/probe.out" 2>"$temporary/probe.err" || status=$?
((status != 77)) || skip "$(tail -n 1 "$temporary/probe.out")"
((status == 0)) || fail "examples/tunnel/run ended with status $status"

iperf3=no
if command -v iperf3 >/dev/null; then iperf3=yes; fi
if ! command -v ping >/dev/null || [[ $iperf3 == no ]]; then
    skip "ping or iperf3 is not installed (Debian: iputils-ping, iperf3)"
fi

# works <name>: what the demo printed. An error or two: what was sent before the other end was there.
works() {
    [[ $(grep -c '^3 packets transmitted, 3 received, 0% packet loss' "$temporary/$1.out") == 2 ]] ||
        fail "$1: a ping is lost"
    says "$1" '[0-9.]+ Gbits/sec +receiver'
    ! grep -qE ' 0\.00 Gbits/sec +receiver' "$temporary/$1.out" || fail "$1: nothing came through"
    [[ $(grep -cE '^(here|there): sent [0-9]+, received [0-9]+, garbage 0, dropped [0-9]+, errors [0-9]$' \
        "$temporary/$1.out") == 2 ]] || fail "$1: garbage, or many errors"
}
works probe

# Each has networks of its own, so they can go on at the same time.
for io in $(uring) epoll poll; do
    demos=()
    for flags in "" "--underlay-mtu 1500" "--underlay-mtu 1500 --no-offload"; do
        # shellcheck disable=SC2086  # several flags
        start "demo${#demos[@]}" "$root/examples/tunnel/run" --program "$tunnel" --seconds 1 --io "$io" $flags
        demos+=("$pid")
    done
    for number in "${!demos[@]}"; do
        ends "${demos[number]}" 0
        works "demo$number"
    done
done

# Killed, it takes everything along.
start stays "$root/examples/tunnel/run" --program "$tunnel" --seconds 1 --stay
wait_for stays '^the tunnel stays'
[[ $(tunnels | wc -l) == 2 ]] || fail "there are not two tunnels"
kill -KILL "$pid"
for _ in $(seq 100); do
    [[ -n $(tunnels) ]] || break
    sleep 0.05
done
[[ -z $(tunnels) ]] || fail "tunnels live on after their demo was killed"
