#!/usr/bin/env bash
# Server and client over 127.0.0.1 with every backend that uses the kernel: all comes back, checked.
# shellcheck source=tests/examples/common.bash
source "$(dirname "${BASH_SOURCE[0]}")/common.bash"

client=$(program udp_echo_client)
clients=()
for io in $(uring) epoll poll auto; do
    start_server --io "$io"
    [[ $address == 127.0.0.1:* ]] || fail "listens on $address"

    run client 0 "$client" --io "$io" --peer "$address" --seconds 1 --window 32 --json
    json client 'len(objects) == 1'
    json client 'objects[0]["received"] > 1000'
    json client 'objects[0]["lost"] == 0 and objects[0]["wrong"] == 0 and objects[0]["late"] == 0'
    json client 'objects[0]["sent"] == objects[0]["received"]'
    json client '0 < objects[0]["latency_ns"]["p50"] <= objects[0]["latency_ns"]["p99"]'
    json client 'objects[0]["latency_ns"]["p99"] <= objects[0]["latency_ns"]["p999"]'

    run client 0 "$client" --io "$io" --peer "$address" --seconds 1 --rate 500
    says client '^lost +0 \(0\.0000 %\)'
    says client '^wrong +0$'
    says client '^latency +p50 [0-9.]+ us, p99 [0-9.]+ us, p99.9 [0-9.]+ us'
    received=$(sed -nE 's/^received +([0-9]+).*/\1/p' "$temporary/client.out")
    ((received > 250 && received <= 550)) || fail "--rate 500 for 1 s gave $received"

    server=$pid
    for size in 8 1200 9000 65507; do
        start "client$size" "$client" --io "$io" --peer "$address" --seconds 1 --size $size --window 2 \
            --rate 200
        clients[size]=$pid
    done
    for size in "${!clients[@]}"; do
        ends "${clients[size]}" 0
        says "client$size" '^lost +0 '
    done

    kill -TERM "$server"
    ends "$server" 0
    says server '^echoed [0-9]+ datagrams, 0 errors$'
done

# Many workers on one port, many clients.
start_server --workers 2
run client 0 "$client" --workers 4 --window 16 --peer "$address" --seconds 1
says client '^wrong +0$'
kill -INT "$pid"
ends "$pid" 0

# Nobody there: the port of the server that has just ended.
run client 1 "$client" --peer "$address" --seconds 1
says client 'nothing came back'
