#!/usr/bin/env bash
# Each codec from a publishing Chromium over the server to a watching one.
# shellcheck source=tests/e2e/browser/common.bash
source "$(dirname "${BASH_SOURCE[0]}")/browser/common.bash"
cases chromium chromium-driver python3-selenium -- codec_cases.py "$@"
