# shellcheck shell=bash
# Shared by the scripts that have browsers. Source it, then: cases PACKAGE... -- FILE.py [WORD...].
# shellcheck source=tests/examples/common.bash
source "$(dirname "${BASH_SOURCE[0]}")/../../examples/common.bash"

# Debian's modules for Python are of Debian's Python.
python=/usr/bin/python3

# has <package>: a program or a module of Python, by the name of its Debian package.
has() {
    case $1 in
    chromium-driver) command -v chromedriver >/dev/null ;;
    python3-*) "$python" -c "import ${1#python3-}" 2>/dev/null ;;
    *) command -v "$1" >/dev/null ;;
    esac
}

# cases <package>... -- <file> [<argument>...]: runs the cases of a file. What they start lives in namespaces of their own: the
# kernel ends it with the first process there, whatever ended that. Where there can be none the programs are ended one by one.
cases() {
    local package file alone=()
    while [[ $1 != -- ]]; do
        package=$1
        has "$package" || skip "$package is missing"
        shift
    done
    file=$2
    shift 2
    export WHIP_WHEP HOME=$temporary PYTHONDONTWRITEBYTECODE=1
    WHIP_WHEP=$(program whip_whep)
    alone=(setpriv --pdeathsig KILL unshare --net --pid --fork --kill-child --mount-proc)
    ((EUID == 0)) || alone+=(--user --map-root-user)
    if "${alone[@]}" true 2>/dev/null; then
        alone+=("$root/tests/e2e/browser/network")
    elif [[ ${needs_network:-no} == yes ]]; then
        skip "no namespaces can be made here: root or user namespaces are needed"
    else
        alone=()
    fi
    # In the background, so that a signal is heard at once.
    "${alone[@]}" "$python" "$root/tests/e2e/browser/$file" "$@" &
    started+=("$!")
    wait "$!" || exit 1
}
