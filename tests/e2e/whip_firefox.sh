#!/usr/bin/env bash
# Firefox publishes and watches.
# shellcheck source=tests/e2e/browser/common.bash
source "$(dirname "${BASH_SOURCE[0]}")/browser/common.bash"
cases firefox-esr python3-websockets -- firefox_cases.py "$@"
