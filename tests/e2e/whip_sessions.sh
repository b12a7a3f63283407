#!/usr/bin/env bash
# Sessions begin, change and end: trickle, ICE restart, CORS, DELETE, publishers that return, tokens.
# shellcheck source=tests/e2e/browser/common.bash
source "$(dirname "${BASH_SOURCE[0]}")/browser/common.bash"
cases chromium chromium-driver python3-selenium -- session_cases.py "$@"
