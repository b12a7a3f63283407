#!/usr/bin/env bash
# What is wrong with the flags of whip_whep, or with what they name, is said with the flag's name.
# shellcheck source=tests/examples/common.bash
source "$(dirname "${BASH_SOURCE[0]}")/common.bash"

[[ -x $build/examples/whip_whep/whip_whep ]] || skip "this build has no whip_whep"
server=$(program whip_whep)

# wrong <status> <what is said> <argument>...
wrong() {
    local status=$1 pattern=$2
    shift 2
    run wrong "$status" "$server" --port 0 "$@"
    says wrong "^whip_whep: .*$pattern"
}

wrong 2 '--bind: .*without brackets' --bind '[::]'
wrong 2 '--media-bind: "x"' --media-bind x
wrong 2 '--media-port-each: 2 workers from port 65535' --media-port 65535 --media-port-each --workers 2
for origin in https://a.example/ https://a.example/page a.example https:// ://a 'https://a b'; do
    wrong 2 '--allow-origin: ' --allow-origin "$origin"
done
wrong 1 "--root $temporary/none: No such file" --root "$temporary/none"
wrong 2 '--tls-cert and --tls-key go together' --tls-cert x
wrong 2 "cannot read $temporary/none: No such file" --tls-cert "$temporary/none" --tls-key "$temporary/none"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=localhost -days 1 \
    -keyout "$temporary/key.pem" -out "$temporary/cert.pem" 2>/dev/null
wrong 2 "no private key in $temporary/cert.pem" --tls-cert "$temporary/cert.pem" --tls-key "$temporary/cert.pem"
wrong 2 "no certificate in $temporary/key.pem" --tls-cert "$temporary/key.pem" --tls-key "$temporary/key.pem"

# All of these are right; a hangup, with nothing to read again, ends nothing.
start first "$server" --port 0 --workers 2 --allow-origin https://a.example:8443 --allow-origin '*'
wait_for first '/watch\.html '
port=$(sed -nE 's|^http://127\.0\.0\.1:([0-9]+)/watch.*|\1|p' "$temporary/first.out")
kill -HUP "$pid"

# Another server is refused, though several sockets share either port.
start media "$server" --port 0 --media-port "$port" --workers 2
wait_for media '/watch\.html '
wrong 1 "cannot open UDP 127\.0\.0\.1:$port: .*choose another --media-port" --media-port "$port" --workers 2
run wrong 1 "$server" --port "$port" --media-port $((port < 65535 ? port + 1 : port - 1)) --workers 2
says wrong "^whip_whep: cannot listen on 127\.0\.0\.1:$port: Address already in use"
says wrong 'choose another --port'
kill -TERM "$pid"
ends "$pid" 0

pid=${started[0]}
kill -TERM "$pid"
ends "$pid" 0

# With a certificate a hangup is not ignored.
start tls "$server" --port 0 --tls-cert "$temporary/cert.pem" --tls-key "$temporary/key.pem"
wait_for tls '^https://'
kill -HUP "$pid"
wait_for tls '^new certificate'
kill -TERM "$pid"
ends "$pid" 0
