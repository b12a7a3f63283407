#!/usr/bin/env bash
# Ways to the server: addresses of both families, a port for each worker, epoll, TLS.
# shellcheck source=tests/e2e/browser/common.bash
source "$(dirname "${BASH_SOURCE[0]}")/browser/common.bash"
cases chromium chromium-driver python3-selenium -- way_cases.py "$@"
