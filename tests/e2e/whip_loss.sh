#!/usr/bin/env bash
# 5 % of all media packets are lost, and repaired.
# shellcheck source=tests/e2e/browser/common.bash
source "$(dirname "${BASH_SOURCE[0]}")/browser/common.bash"
cases chromium chromium-driver python3-selenium -- loss_cases.py "$@"
