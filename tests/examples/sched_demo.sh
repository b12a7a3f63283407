#!/usr/bin/env bash
# The demo with every backend: a line a second in a pipe, JSON for machines, the tour of --script, and
# a summary that accounts for every message. In simulation a seed replays. The view has a test of its own.
# shellcheck source=tests/examples/common.bash
source "$(dirname "${BASH_SOURCE[0]}")/common.bash"

# How the summary ends; messages may be refused on a machine that is busy with something else.
fine='^(nothing was lost|every message is accounted for)$'
balanced='^(nothing was lost|every message is accounted for.*)$'

demo=$(program sched_demo)

# One after the other they would take a while.
declare -A pids
for io in epoll poll sim; do
    start "$io-lines" "$demo" --io $io --seconds 2
    pids[$io-lines]=$pid
    start "$io-json" "$demo" --io $io --seconds 2 --json --workers 2
    pids[$io-json]=$pid
done
for io in epoll poll sim; do
    ends "${pids[$io-lines]}" 0
    says $io-lines '^ +1 s  busy .* messages/s [1-9]'
    says $io-lines '^messages +sent [1-9][0-9]* = delivered [1-9]'
    says $io-lines '^datagrams +sent [1-9][0-9]*, echoed [1-9][0-9]*, lost 0, wrong 0$'
    says $io-lines "$fine"
    ! grep -q $'\033' "$temporary/$io-lines.out" || fail "a pipe gets escape sequences"

    ends "${pids[$io-json]}" 0
    json $io-json 'len(objects) in (2, 3, 4)'
    json $io-json 'all(len(o["workers"]) == 2 and o["io"] == "'$io'" for o in objects[:-1])'
    json $io-json 'all(abs(w["io"] + w["actors"] + w["timers"] + w["idle"] - 1) < 0.01
                       for o in objects[:-1] for w in o["workers"])'
    json $io-json '{b["name"] for b in objects[0]["behaviors"]} > {"router", "group member"}'
    json $io-json '[c["name"] for c in objects[0]["channels"]] == ["news", "video"]'
    json $io-json 'objects[-1]["summary"] and objects[-1]["good"]'
    json $io-json '("sim_hash" in objects[-1]) == ("'$io'" == "sim")'
    json $io-json 'all(sum(b["actors"] for b in o["behaviors"]) > 1000 for o in objects[:-1])'
    json $io-json 'objects[-1]["sent"] == objects[-1]["delivered"] + objects[-1]["refused"]
                   + objects[-1]["dead_letters"]'
    json $io-json 'objects[-1]["delivered"] > 10000 and objects[-1]["deadlines"] > 1000'
    json $io-json 'objects[-1]["udp_sent"] == objects[-1]["udp_echoed"] > 1000'
done

# One worker, and more than there are CPUs.
for workers in 1 5; do
    start workers-$workers "$demo" --workers $workers --seconds 1
    pids[$workers]=$pid
done
for workers in 1 5; do
    ends "${pids[$workers]}" 0
    says workers-$workers "$fine"
done

# The tour: each step says what it has found; the exit status says whether all of it was so.
start tour-epoll "$demo" --script --io epoll
epoll=$pid
start tour-poll "$demo" --script --io poll --json
poll=$pid

# Meanwhile the simulation, which needs no time of its own.
hash_of() {
    run sim 0 "$demo" --io sim --seconds 1 --workers 3 "$@"
    sed -nE 's/^sim hash +([0-9a-f]{16})$/\1/p' "$temporary/sim.out"
}
one=$(hash_of --seed 7) again=$(hash_of --seed 7) other=$(hash_of --seed 8)
[[ -n $one && $one == "$again" ]] || fail "seed 7 gave $one, then $again"
[[ $one != "$other" ]] || fail "seeds 7 and 8 both gave $one"

one=$(hash_of --seed 7 --loss 10)
says sim 'datagrams were lost, as was asked for'
[[ $one == "$(hash_of --seed 7 --loss 10)" ]] || fail "with loss, seed 7 does not replay"

for take in 1 2; do
    run tour-sim 0 "$demo" --script --io sim --seed 7
    mv "$temporary/tour-sim.out" "$temporary/tour-sim-$take.out"
done
cmp "$temporary"/tour-sim-[12].out || fail "the tour does not replay"
says tour-sim-1 '^ok +packet loss +[1-9][0-9]* of '
timeout 60 tail --pid="$epoll" -f /dev/null || true # longer where the machine is busy
ends "$epoll" 0
ends "$poll" 0
for step in running 'rate 200 %' 'more consumers' burst bus group 'full mailbox' 'stopped actor' \
    'slow actor' 'end of a run' 'next backend'; do
    says tour-epoll "^ok +$step "
    says tour-sim-1 "^ok +$step "
    json tour-poll 'any(o.get("step") == "'"$step"'" and o["ok"] for o in objects)'
done
says tour-epoll 'full mailbox +[1-9][0-9]* refused'
says tour-epoll 'stopped actor +[1-9][0-9]* dead letters, 0 '
says tour-epoll 'slow actor +named [1-9][0-9]* times: actor slow consumer .* has held worker'
says tour-epoll "$balanced"
says tour-sim-1 "$balanced"
json tour-poll 'objects[-1]["summary"] and objects[-1]["good"] and objects[-1]["runs"] == 2'

# A tour that is cut short has not shown what it is to show.
run tour 1 "$demo" --script --io sim --seconds 1
says tour 'before its end'
says tour "$balanced"
