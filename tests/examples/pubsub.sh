#!/usr/bin/env bash
# Everybody hears everybody, in order, on one worker and on several, in simulation and with threads.
# shellcheck source=tests/examples/common.bash
source "$(dirname "${BASH_SOURCE[0]}")/common.bash"

for flags in "--workers 1" "--workers 3" "--io poll" "--io sim --workers 4 --seed 7"; do
    # shellcheck disable=SC2086
    run pubsub 0 "$(program pubsub)" $flags
    says pubsub '^room: 1200 published, 14400 delivered, 0 refused$'
    says pubsub '^12 of 12 talkers heard all, in order$'
done

run pubsub 0 "$(program pubsub)" --json --workers 2
json pubsub 'objects == [{"channel": "room", "published": 1200, "delivered": 14400, "refused": 0,
                          "complete": 12, "talkers": 12}]'
