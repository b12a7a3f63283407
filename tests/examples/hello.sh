#!/usr/bin/env bash
# The smallest example says its one line and ends by itself.
# shellcheck source=tests/examples/common.bash
source "$(dirname "${BASH_SOURCE[0]}")/common.bash"

run hello 0 "$(program hello)"
[[ $(cat "$temporary/hello.out") == "hello, world" ]] || fail "another text"
[[ ! -s $temporary/hello.err ]] || fail "it complains"

run hello 2 "$(program hello)" --nonsense
says hello 'takes no flags'
