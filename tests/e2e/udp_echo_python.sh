#!/usr/bin/env bash
# The UDP echo server against an independent client, in Python: every payload checked.
# shellcheck source=tests/examples/common.bash
source "$(dirname "${BASH_SOURCE[0]}")/../examples/common.bash"

client=$root/tests/e2e/udp_echo_client.py
hosts=(127.0.0.1)
if has_ipv6; then hosts+=(::1); fi

for io in $(uring) epoll poll; do
    for host in "${hosts[@]}"; do
        start_server --io $io --bind "$host"
        run client 0 python3 "$client" "$host" "${address##*:}"
        run client 0 python3 "$client" "$host" "${address##*:}" --gone "$pid"
        ends "$pid" 0
        says server '^echoed [1-9][0-9]* datagrams, 0 errors$'
    done
done

# Several workers share the port: which of them answers is the kernel's choice.
start_server --workers 3
run client 0 python3 "$client" 127.0.0.1 "${address##*:}"
kill -TERM "$pid"
ends "$pid" 0
