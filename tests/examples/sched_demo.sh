#!/usr/bin/env bash
# The demo for two seconds with every backend: a line a second in a pipe, JSON for machines, and a
# summary that accounts for every message. In simulation a seed replays.
# shellcheck source=tests/examples/common.bash
source "$(dirname "${BASH_SOURCE[0]}")/common.bash"

# How the summary ends; messages may be refused on a machine that is busy with something else.
fine='^(nothing was lost|every message is accounted for)$'

demo=$(program sched_demo)
for io in epoll poll sim; do
    run demo 0 "$demo" --io $io --seconds 2
    says demo '^ +1 s  busy .* messages/s [1-9]'
    says demo '^messages +sent [1-9][0-9]* = delivered [1-9]'
    says demo '^datagrams +sent [1-9][0-9]*, echoed [1-9][0-9]*, lost 0, wrong 0$'
    says demo "$fine"
    ! grep -q $'\033' "$temporary/demo.out" || fail "a pipe gets escape sequences"

    run demo 0 "$demo" --io $io --seconds 2 --json --workers 2
    json demo 'len(objects) in (2, 3, 4)'
    json demo 'all(len(o["workers"]) == 2 and o["io"] == "'$io'" for o in objects[:-1])'
    json demo 'all(abs(w["io"] + w["actors"] + w["timers"] + w["idle"] - 1) < 0.01
                   for o in objects[:-1] for w in o["workers"])'
    json demo 'objects[-1]["summary"] and objects[-1]["good"]'
    json demo 'objects[-1]["sent"] == objects[-1]["delivered"] + objects[-1]["refused"]
               + objects[-1]["dead_letters"]'
    json demo 'objects[-1]["delivered"] > 10000 and objects[-1]["deadlines"] > 1000'
    json demo 'objects[-1]["udp_sent"] == objects[-1]["udp_echoed"] > 1000'
done

# On a terminal: a table that is drawn again, and the cursor is back at the end.
run demo 0 python3 -c 'import os, pty, sys
sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))' "$demo" --seconds 2
for text in $'\033\\[H' 'worker .* busy ' '^ +0 \[' '^router ' "${fine%\$}"; do
    says demo "$text"
done
grep -q $'\033\\[?25h' "$temporary/demo.out" || fail "the cursor stays hidden"

hash_of() {
    run sim 0 "$demo" --io sim --seconds 1 --workers 3 "$@"
    sed -nE 's/^sim hash +([0-9a-f]{16})$/\1/p' "$temporary/sim.out"
}
one=$(hash_of --seed 7) again=$(hash_of --seed 7) other=$(hash_of --seed 8)
[[ -n $one && $one == "$again" ]] || fail "seed 7 gave $one, then $again"
[[ $one != "$other" ]] || fail "seeds 7 and 8 both gave $one"

one=$(hash_of --seed 7 --loss 10)
says sim 'the simulated network lost datagrams'
[[ $one == "$(hash_of --seed 7 --loss 10)" ]] || fail "with loss, seed 7 does not replay"

# One worker, and more than there are CPUs.
for workers in 1 5; do
    run demo 0 "$demo" --workers $workers --seconds 1
    says demo "$fine"
done
