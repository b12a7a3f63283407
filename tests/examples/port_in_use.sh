#!/usr/bin/env bash
# What the kernel refuses is said in words that help, with status 1.
# shellcheck source=tests/examples/common.bash
source "$(dirname "${BASH_SOURCE[0]}")/common.bash"

start_server
port=${address##*:}
for io in $(uring) epoll poll; do
    run second 1 "$(program udp_echo)" --io "$io" --port "$port"
    says second "^udp_echo: cannot listen on 127\.0\.0\.1:$port: Address already in use"
    says second 'choose another --port'
done
run second 1 "$(program sched_demo)" --port "$port" --seconds 5
says second '^sched_demo: .*Address already in use'
(($(grep -c '^sched_demo: .*already in use' "$temporary/second.err") == 1)) || fail "it is said twice"
! grep -q 'nothing was lost' "$temporary/second.out" || fail "a run that failed has a verdict"

# TEST-NET-1 (RFC 5737) is nobody's.
run nobody 1 "$(program udp_echo)" --bind 192.0.2.1 --port 0
says nobody '^udp_echo: cannot listen on 192\.0\.2\.1:0: Cannot assign requested address'
run nobody 1 "$(program udp_echo_client)" --bind 192.0.2.1 --seconds 1
says nobody 'Cannot assign requested address'

kill -TERM "$pid"
ends "$pid" 0
