#!/usr/bin/env bash
# The timers tick as their periods say: about so with a real clock, exactly so in virtual time.
# shellcheck source=tests/examples/common.bash
source "$(dirname "${BASH_SOURCE[0]}")/common.bash"

ticker=$(program ticker)
ticks='sum(int(t / (100 + n * 7919 % 1000)) for n in range(timers))'

# expected <timers> <ms>: how many ticks that makes.
expected() {
    python3 -c "timers, t = $1, $2; print($ticks)"
}

run sim 0 "$ticker" --io sim --seconds 3 --timers 5000
says sim '^5000 timers: [1-9][0-9]* ticks/s, worker 0 busy 0\.0 %$'
says sim "^5000 timers ticked $(expected 5000 3000) times in 3\.0 s$"

run sim 0 "$ticker" --io sim --seconds 3 --timers 5000 --json
json sim 'all(o["timers"] == 5000 and o["ticks"] > 5000 for o in objects) and len(objects) >= 2'
json sim 'objects[-1]["summary"] and objects[-1]["ticks"] == '"$(expected 5000 3000)"

# A machine that is busy gets there late, and never early.
run epoll 0 "$ticker" --io epoll --seconds 2 --timers 20000 --json
json epoll 'all(o["timers"] == 20000 for o in objects) and len(objects) >= 2'
json epoll "0.5 * $(expected 20000 2000) < objects[-1]['ticks'] <= $(expected 20000 3000)"
json epoll '2 <= objects[-1]["seconds"] < 5'

# Told to end.
start ticker "$ticker"
wait_for ticker 'ticks/s'
kill -TERM "$pid"
ends "$pid" 0
says ticker '^100000 timers ticked [1-9][0-9]* times'
