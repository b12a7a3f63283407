#!/usr/bin/env bash
# Server and client over [::1].
# shellcheck source=tests/examples/common.bash
source "$(dirname "${BASH_SOURCE[0]}")/common.bash"

has_ipv6 || skip "this machine has no IPv6 loopback address"

for io in $(uring) epoll poll; do
    start_server --io "$io" --bind ::1
    [[ $address == "[::1]:"* ]] || fail "listens on $address"
    run client 0 "$(program udp_echo_client)" --io "$io" --peer "$address" --seconds 1 --window 16
    says client '^received +[1-9]'
    says client '^lost +0 '
    says client '^wrong +0$'
    run client 0 "$(program udp_echo_client)" --io "$io" --peer "$address" --seconds 1 --size 9000 \
        --rate 200
    says client '^lost +0 '
    kill -TERM "$pid"
    ends "$pid" 0
done
