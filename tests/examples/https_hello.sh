#!/usr/bin/env bash
# The HTTP server over TLS with every backend that has streams, as curl, openssl and hostile clients see it:
# https_hello.py asks. SIGHUP brings new certificates, under load too.
# shellcheck source=tests/examples/common.bash
source "$(dirname "${BASH_SOURCE[0]}")/common.bash"

[[ -x $build/examples/tls_echo/tls_echo ]] || skip "this build has no leat::tls"
command -v openssl >/dev/null || skip "there is no openssl here"
command -v curl >/dev/null || skip "no curl here; Debian's package is curl"
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$temporary"

make_certificate() { # <name>
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj "/CN=$1" \
        -addext "subjectAltName=DNS:localhost,IP:127.0.0.1" -keyout "$1.key" -out "$1.pem" 2>/dev/null
}

make_expired() { # <name>: one that was good for a day in 1994
    mkdir -p ca
    : >ca/index
    echo 01 >ca/serial
    printf '%s\n' '[ca]' 'default_ca = one' '[one]' 'database = ca/index' 'serial = ca/serial' \
        'new_certs_dir = ca' 'default_md = sha256' 'policy = any' '[any]' 'commonName = supplied' \
        '[names]' 'subjectAltName = DNS:localhost' >ca/conf
    openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$1" \
        -keyout "$1.key" -out "$1.csr" 2>/dev/null
    openssl ca -batch -selfsign -config ca/conf -extensions names -startdate 19941106000000Z \
        -enddate 19941107000000Z -keyfile "$1.key" -in "$1.csr" -out "$1.pem" -notext 2>/dev/null
}

# fetch <expected exit status> <curl's argument>...
fetch() {
    local expected=$1 status=0
    shift
    curl -s --max-time 20 --cacert one.pem "$@" >fetched 2>/dev/null || status=$?
    ((status == expected)) || fail "curl $* ended with status $status, not $expected"
}

install_certificate() { # <name>
    cp "$1.pem" cert.pem
    cp "$1.key" key.pem
}

make_certificate one
make_certificate two
make_expired old
mkdir public
echo small >public/small.txt
head -c 1000000 /dev/urandom >public/middle.bin
for _ in $(seq 100); do cat public/middle.bin; done >public/large.bin

for io in epoll poll auto; do
    install_certificate one
    start server "$(program http_hello)" --io "$io" --port 0 --root public --cert cert.pem --key key.pem
    wait_for server '^https://'
    port=$(sed -nE 's,^https://.*:([0-9]+)$,\1,p' server.out)
    url=https://127.0.0.1:$port

    for version in 1.2 1.3; do
        fetch 0 "--tlsv$version" --tls-max "$version" --http1.1 -w '%{num_connects}\n' \
            "$url/hello/you" "$url/small.txt" "$url/hello/you"
        [[ $(cat fetched) == $'hello, you\n1\nsmall\n0\nhello, you\n0' ]] || fail "TLS $version: $(cat fetched)"
        fetch 0 "--tlsv$version" --tls-max "$version" "$url/large.bin"
        cmp -s fetched public/large.bin || fail "TLS $version: another file"
    done
    fetch 0 -v "$url/hello/you" --http2 # which is not offered: it is HTTP/1.1 then
    fetch 35 --tls-max 1.1 "$url/"
    fetch 60 --resolve "other.example:$port:127.0.0.1" "https://other.example:$port/"
    fetch 60 --cacert two.pem "$url/"
    fetch 52 "http://127.0.0.1:$port/hello/you"
    { printf 'GET /hello/%s HTTP/1.1\r\nHost: a\r\n\r\n' one two three; sleep 0.5; } |
        timeout 20 openssl s_client -connect "127.0.0.1:$port" -CAfile one.pem -alpn http/1.1 \
            -verify_return_error -no_ign_eof >client.out 2>&1 || true
    says client '^ALPN protocol: http/1.1'
    for word in one two three; do
        says client "^hello, $word"
    done

    python3 "$here/https_hello.py" "127.0.0.1:$port" "$pid" || fail "$io: see above"

    install_certificate old
    kill -HUP "$pid"
    wait_for server '^new certificate$'
    fetch 60 --cacert old.pem --resolve "localhost:$port:127.0.0.1" "https://localhost:$port/hello/you"
    kill -TERM "$pid"
    ends "$pid" 0
done
