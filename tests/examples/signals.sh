#!/usr/bin/env bash
# SIGINT and SIGTERM end every example cleanly, with status 0, and with its totals.
# shellcheck source=tests/examples/common.bash
source "$(dirname "${BASH_SOURCE[0]}")/common.bash"

# How the summary ends; messages may be refused on a machine that is busy with something else.
fine='^(nothing was lost|every message is accounted for)$'

for signal in INT TERM; do
    start_server
    server=$pid
    start client "$(program udp_echo_client)" --peer "$address" --seconds 60 --rate 1000
    sleep 0.5
    kill -$signal "$pid"
    ends "$pid" 0
    says client '^received +[1-9]'
    says client '^lost +0 '

    kill -$signal "$server"
    ends "$server" 0
    says server '^echoed [1-9][0-9]* datagrams'

    start demo "$(program sched_demo)"
    wait_for demo 'messages/s'
    kill -$signal "$pid"
    ends "$pid" 0
    says demo "$fine"

    # An idle server, and one that is told twice.
    start_server
    kill -$signal "$pid"
    kill -$signal "$pid" 2>/dev/null || true
    ends "$pid" 0
done
