#!/usr/bin/env bash
# What --trace writes: JSON that a trace viewer takes, in which every transition is one of the two tables
# of docs/architecture.md, each actor's follow one another, spans nest, and arrows have two ends.
# shellcheck source=tests/examples/common.bash
source "$(dirname "${BASH_SOURCE[0]}")/common.bash"

check() {
    python3 - "$temporary/trace.json" "$@" <<'END' || fail "$*: the trace is wrong"
import collections, json, sys, math

P, T = "PopOutput", "OnTickSingleTask"
PT, I, PI = "PopCurrentTickTaskOutput", "OnInputSingleTask", "PopCurrentInputTaskOutput"
SINGLE = {("Created", "Waiting"), ("Created", P), ("Waiting", "OnTick"), ("Waiting", "OnInput"),
          ("OnTick", P), ("OnTick", "Waiting"), ("OnInput", P), ("OnInput", "Waiting"),
          (P, P), (P, "Waiting")}
# Members end, too: with outputs of init they begin where an input of theirs would have brought them.
GROUP = {("Created", "Waiting"), ("Waiting", "OnTick"), ("OnTick", T), ("OnTick", "Waiting"), (T, PT),
         (T, "OnTick"), (PT, PT), (PT, "OnTick"), ("Waiting", "OnInput"), ("OnInput", I), (I, PI),
         (I, "Waiting"), (I, "OnInput"), (PI, PI), (PI, "Waiting"), (PI, "OnInput"),
         ("OnInput", "Waiting")}

with open(sys.argv[1]) as file:
    events = json.load(file)
wanted = set(sys.argv[2:])
depth, started = collections.Counter(), {}
state, transitions, arrows, names, what, groups = {}, 0, 0, set(), set(), set()
order = sorted((e for e in events if e["ph"] != "M"), key=lambda e: e["ts"])
for event in order: # where each arrow begins first; clocks of two CPUs may differ by a little
    if event["ph"] == "s":
        started.setdefault(event["id"], event["ts"] - 1)
for event in order:
    track = event["pid"], event["tid"]
    assert event["ts"] >= 0 and event["ts"] == round(event["ts"], 3), event
    if event["ph"] in "BE":
        depth[track] += 1 if event["ph"] == "B" else -1
        assert depth[track] in (0, 1), ("spans do not nest", event)
    elif event["ph"] == "s":
        assert depth[track] == 1, ("an arrow from nowhere", event)
    elif event["ph"] == "f":
        arrows += 1
        assert started.get(event["id"], math.inf) <= event["ts"], ("an arrow without a start", event)
        assert depth[track] == 1, ("an arrow to nowhere", event)
    else:
        assert event["ph"] == "i", event
    arguments = event.get("args", {})
    if "from" in arguments:
        actor = event["pid"], arguments["actor"]
        step = arguments["from"], arguments["to"]
        transitions += 1
        names.add(event.get("name", "").split(" 1")[0].removeprefix("spawn "))
        what.add(arguments.get("what"))
        if "SingleTask" in "".join(step):
            groups.add(actor)
        is_member_end = step[1] == "Stopped" and "member" in arguments
        assert step in SINGLE | GROUP or step[1] == "Stopped", step
        assert actor not in groups or step in GROUP or step[1] == "Stopped", step
        if not is_member_end:
            assert state.get(actor, "Created") == step[0], (actor, state.get(actor), event)
            state[actor] = step[1]
assert not any(depth.values()), "a span is open at the end"
assert transitions > 1000 and arrows > 100, (transitions, arrows)
tracks = {(e["pid"], e["tid"]): e["args"]["name"] for e in events if e.get("name") == "thread_name"}
assert {(e["pid"], e["tid"]) for e in order} == set(tracks), tracks
assert all(name.startswith("worker ") for name in tracks.values()), tracks
processes = [e["args"]["name"] for e in events if e.get("name") == "process_name"]
assert processes and all(p.split("io=")[1] in ("uring", "epoll", "poll", "sim") for p in processes), processes
assert wanted <= names | what | set(tracks.values()), wanted - names - what
if "group member" in wanted:
    assert groups, "no group in it"
print(f"{transitions} transitions, {arrows} arrows")
END
}

light=(--messages 200 --datagrams 200 --tickers 20 --publish 20 --members 20)
demo=$(program sched_demo)
run demo 0 "$demo" --io sim --seed 3 --seconds 1 --workers 2 "${light[@]}" --trace "$temporary/trace.json"
check router echo 'group member' message data published send publish 'worker 1'
says demo '^nothing was lost$'

run demo 0 "$demo" --seconds 1 --workers 2 "${light[@]}" --trace "$temporary/trace.json"
check router echo 'group member' message data published send publish 'worker 1'

# Told to end; the file is complete all the same.
start demo "$demo" "${light[@]}" --seconds 60 --trace "$temporary/trace.json"
wait_for demo '^ +1 s'
kill -TERM "$pid"
ends "$pid" 0
check router ticker

# Others take it as well.
start_server --trace "$temporary/server.json"
run client 0 "$(program udp_echo_client)" --peer "$address" --seconds 1 --rate 2000 \
    --trace "$temporary/trace.json"
kill -TERM "$pid"
ends "$pid" 0
python3 -m json.tool "$temporary/trace.json" /dev/null || fail "the client's trace is no JSON"
python3 -m json.tool "$temporary/server.json" /dev/null || fail "the server's trace is no JSON"

run demo 1 "$demo" --seconds 1 --trace /nonexistent/trace.json
says demo 'cannot create the trace /nonexistent/trace.json: No such file'

# A closed standard output does not become the trace.
# shellcheck disable=SC2016
run demo 0 bash -c 'exec "$0" "$@" >&-' "$demo" --io sim --seconds 1 "${light[@]}" \
    --trace "$temporary/trace.json"
check router

if [[ -w /dev/full ]]; then
    run demo 1 "$demo" --seconds 1 "${light[@]}" --trace /dev/full
    says demo 'cannot write the trace: No space left'
fi
