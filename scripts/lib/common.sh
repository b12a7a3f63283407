# shellcheck shell=bash
# shellcheck disable=SC2034  # used by those who source this
# Shared by scripts/run, scripts/test and scripts/bench. Source it; it goes to the root of the tree and
# leaves in $caller where the user is.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
caller=$PWD
cd "$root" || exit
jobs=$(nproc)

# Debian packages by purpose: the only place that names them.
packages_build=(build-essential cmake ninja-build pkg-config libck-dev libmimalloc-dev liburing-dev
    libc-ares-dev libncurses-dev libssl-dev)
packages_test=("${packages_build[@]}" libcriterion-dev curl iperf3 iproute2 iputils-ping libsrtp2-dev
    openssl patch python3 spin)
packages_fuzz=(clang libclang-rt-14-dev)
packages_browser=(chromium chromium-driver firefox-esr iproute2 python3-aiortc python3-selenium
    python3-websockets)
packages_bench=("${packages_build[@]}" libuv1-dev python3)

say() { printf '%s\n' "$*" >&2; }

die() {
    say "error: $*"
    exit 1
}

# need_packages <package>...: installs what is missing, and touches nothing when all is there.
need_packages() {
    local missing=() package
    if ! command -v dpkg-query >/dev/null; then
        say "note: this is not Debian; needed are the equivalents of: $*"
        return 0
    fi
    for package in "$@"; do
        # shellcheck disable=SC2016  # the ${…} is dpkg-query's
        if [[ $(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null) != installed ]]; then
            missing+=("$package")
        fi
    done
    if ((${#missing[@]} == 0)); then
        return 0
    fi

    local as_root=()
    if ((EUID != 0)); then
        command -v sudo >/dev/null ||
            die "missing packages: ${missing[*]}. Neither root nor sudo here: install them first."
        as_root=(sudo)
    fi
    say "installing ${missing[*]}"
    if ! "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -q --no-install-recommends "${missing[@]}" >&2; then
        # The package lists may be old or absent.
        "${as_root[@]}" apt-get update -q >&2
        "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
            apt-get install -y -q --no-install-recommends "${missing[@]}" >&2 ||
            die "could not install ${missing[*]}."
    fi
}

# build_release <target>...: configures the release preset when it is not, and builds quietly; the log
# is shown when that fails.
build_release() {
    local log=build/release.log
    mkdir -p build
    if [[ ! -f build/release/build.ninja ]]; then
        say "configuring build/release"
        cmake --preset release >"$log" 2>&1 || { cat "$log" >&2; die "configure failed."; }
    fi
    cmake --build --preset release --target "$@" >"$log" 2>&1 ||
        { tail -n 60 "$log" >&2; die "the build failed; the whole log is in $log."; }
}
