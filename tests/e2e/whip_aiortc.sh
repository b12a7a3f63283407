#!/usr/bin/env bash
# aiortc publishes and watches, a third stack; it gathers no loopback candidate.
# shellcheck source=tests/e2e/browser/common.bash
source "$(dirname "${BASH_SOURCE[0]}")/browser/common.bash"
needs_network=yes cases chromium chromium-driver python3-selenium python3-aiortc -- third_cases.py "$@"
