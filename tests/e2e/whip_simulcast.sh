#!/usr/bin/env bash
# Three sizes from a publisher; a size that stops is replaced by the next one.
# shellcheck source=tests/e2e/browser/common.bash
source "$(dirname "${BASH_SOURCE[0]}")/browser/common.bash"
cases chromium chromium-driver python3-selenium -- simulcast_cases.py "$@"
