#!/usr/bin/env bash
# The server's own pages, clicked through. --screenshots DIR puts pictures of them there.
# shellcheck source=tests/e2e/browser/common.bash
source "$(dirname "${BASH_SOURCE[0]}")/browser/common.bash"
if [[ ${1:-} == --screenshots ]]; then
    SCREENSHOTS=$(realpath "$2")
    export SCREENSHOTS
    shift 2
fi
cases chromium chromium-driver python3-selenium -- page_cases.py "$@"
