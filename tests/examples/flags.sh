#!/usr/bin/env bash
# A wrong flag ends an example with status 2 and a message that names it; --help with status 0.
# shellcheck source=tests/examples/common.bash
source "$(dirname "${BASH_SOURCE[0]}")/common.bash"

# wrong <what the message names> <argument>...
wrong() {
    local named=$1 example
    shift
    for example in udp_echo udp_echo_client sched_demo; do
        run wrong 2 "$(program $example)" "$@"
        says wrong "^$example: .*$named"
        says wrong "$example --help"
        [[ ! -s $temporary/wrong.out ]] || fail "$example $*: the message is not on stderr"
    done
}

wrong '--nonsense' --nonsense
wrong '--nonsense' --nonsense=3
wrong '"nonsense"' nonsense
wrong '"-x"' -x
wrong '--io: .*"nonsense".*epoll.*poll.*sim' --io nonsense
wrong '--io' --io
wrong '--workers: "-1"' --workers -1
wrong '--workers: "65"' --workers 65
wrong '--workers: "two"' --workers two
wrong '--port: "65536"' --port 65536
wrong '--port: "80x"' --port=80x
wrong '--port: ""' --port=
wrong '--seconds: "1.5"' --seconds 1.5
wrong '--seed: "99999999999999999999"' --seed 99999999999999999999
wrong '--bind: "localhost"' --bind localhost
wrong '--bind: "1.2.3"' --bind 1.2.3
wrong '--trace' --trace=
wrong '--json' --json=yes

own() {
    local example=$1 named=$2
    shift 2
    run own 2 "$(program "$example")" "$@"
    says own "^$example: .*$named"
}
own udp_echo_client '--peer: "127.0.0.1"' --peer 127.0.0.1
own udp_echo_client '--size: "65508"' --size 65508
own udp_echo_client '--size: "7"' --size 7
own udp_echo_client '--window: "0"' --window 0
own udp_echo '--window' --window 1
own sched_demo '--loss.*sim' --loss 5

# No socket, no address.
for example in pubsub ticker; do
    for flag in bind port; do
        own $example "there is no flag --$flag: $example opens no socket" --$flag 1
    done
done

for example in udp_echo udp_echo_client sched_demo pubsub ticker; do
    run help 0 "$(program $example)" --help
    local=(bind port)
    [[ $example != pubsub && $example != ticker ]] || local=()
    for flag in io workers "${local[@]}" seconds seed trace json help; do
        says help "^  --$flag "
    done
    [[ ! -s $temporary/help.err ]] || fail "$example --help writes to stderr"
    ! grep -q null "$temporary/help.out" || fail "$example --help: a default is missing"
    (( ${#local[@]} > 0 )) || ! grep -qE -- '--(bind|port)' "$temporary/help.out" ||
        fail "$example --help has --bind or --port"
done

# Output that cannot be written is no success.
if [[ -w /dev/full ]]; then
    for example in sched_demo pubsub ticker; do
        status=0
        : >"$temporary/full.out"
        "$(program $example)" --io sim --seconds 1 >/dev/full 2>"$temporary/full.err" || status=$?
        ((status == 1)) || fail "$example >/dev/full ends with status $status"
        says full "^$example: cannot write the output"
    done
fi
