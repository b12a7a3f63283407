#!/usr/bin/env python3
"""HTTP keep-alive: leat's server against nginx, in one run, driven by wrk.

usage: bench/http.py [--seconds S] [--rounds N] [--connections C] [--path function|file|all]

Both serve the same body of 13 bytes from one thread on the last CPU this process may use; wrk has the first.
Rounds alternate, a line of JSON each, then one with the medians and their ratio: above 1 leat is quicker. "function"
is a route's function against nginx's "return"; "file" a small file against nginx's sendfile with
open_file_cache. Needs nginx (nginx-light) and wrk: without them, or with one CPU, it says so and exits with 77.
nginx runs from a configuration of its own in a temporary directory, on 127.0.0.1, and is ended by its id.
"""
import argparse
import json
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.environ.get("LEAT_BUILD", os.path.join(ROOT, "build", "release"))
BODY = b"hello, world\n"
PATHS = {"function": "/hello/world", "file": "/small.txt"}
NGINX = """
daemon off; master_process off; worker_processes 1; pid {dir}/nginx.pid; error_log {dir}/error.log warn;
events {{ worker_connections 4096; use epoll; }}
http {{
    access_log off; sendfile on; tcp_nodelay on; keepalive_requests 1000000000; keepalive_timeout 60;
    open_file_cache max=100 inactive=60s; open_file_cache_valid 1s; server_tokens off; default_type text/plain;
    client_body_temp_path {dir}/b; proxy_temp_path {dir}/p; fastcgi_temp_path {dir}/f; uwsgi_temp_path {dir}/u;
    scgi_temp_path {dir}/s;
    server {{
        listen 127.0.0.1:{port} backlog=4096; root {dir}/public;
        location = /hello/world {{ return 200 "hello, world\\n"; }}
    }}
}}
"""


def skip(why):
    print(f"SKIP {why}")
    sys.exit(77)


def find(program, package):
    path = shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if path is None:
        skip(f"{program} is not here; Debian's package is {package}")
    return path


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start(cpu, command, **more):
    return subprocess.Popen(command, preexec_fn=lambda: os.sched_setaffinity(0, {cpu}), **more)


def end(process):
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def get(port, path):
    with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
        client.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
        got = b""
        while True:
            part = client.recv(65536)
            if not part:
                return got
            got += part


def ready(port, path):
    """Both must answer with the same body before anything is measured."""
    for _ in range(100):
        try:
            got = get(port, path)
            if got.startswith(b"HTTP/1.1 200") and got.endswith(b"\r\n\r\n" + BODY):
                return
            sys.exit(f"port {port} answers {got!r}")
        except OSError:
            time.sleep(0.05)
    sys.exit(f"nothing answers on port {port}")


def cpu_s(pid):
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(wrk, cpu, process, port, path, options):
    before = cpu_s(process.pid)
    out = subprocess.run([wrk, "-t1", f"-c{options.connections}", f"-d{options.seconds}s", "--latency",
                          f"http://127.0.0.1:{port}{path}"], stdout=subprocess.PIPE, check=True, text=True,
                         preexec_fn=lambda: os.sched_setaffinity(0, {cpu})).stdout
    requests = int(re.search(r"(\d+) requests in", out).group(1))
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", out).group(1))
    p99 = re.search(r"99%\s+(\S+)", out).group(1)
    if "Non-2xx" in out or "Socket errors" in out:
        sys.exit(f"wrk had errors:\n{out}")
    return {"requests_per_s": round(rate), "p99": p99,
            "server_cpu_us_per_request": round((cpu_s(process.pid) - before) * 1e6 / requests, 3)}


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--path", choices=["function", "file", "all"], default="all")
    parser.add_argument("--io", default="auto")
    options = parser.parse_args()
    wrk, nginx = find("wrk", "wrk"), find("nginx", "nginx-light")
    cpus = sorted(os.sched_getaffinity(0))
    if len(cpus) < 2:
        skip("one CPU: wrk and the server need one each")
    program = os.path.join(BUILD, "examples", "http_hello", "http_hello")
    if not os.path.exists(program):
        sys.exit(f"{program} is not built: cmake --build --preset release --target http_hello")
    directory = tempfile.mkdtemp(prefix="leat-bench-http.")
    processes = []
    try:
        public = os.path.join(directory, "public")
        os.mkdir(public)
        os.chmod(directory, 0o755)  # for the user nginx changes to
        with open(os.path.join(public, "small.txt"), "wb") as file:
            file.write(BODY)
        ports = {"leat": free_port(), "nginx": free_port()}
        config = os.path.join(directory, "nginx.conf")
        with open(config, "w") as file:
            file.write(NGINX.format(dir=directory, port=ports["nginx"]))
        commands = {"leat": [program, "--port", str(ports["leat"]), "--root", public, "--io", options.io],
                    "nginx": [nginx, "-p", directory, "-c", config, "-e", os.path.join(directory, "error.log")]}
        servers = {}
        for name, command in commands.items():
            servers[name] = start(cpus[-1], command, stdout=subprocess.DEVNULL)
            processes.append(servers[name])
        for what in PATHS if options.path == "all" else [options.path]:
            rates = {"leat": [], "nginx": []}
            for name in ports:
                ready(ports[name], PATHS[what])
            for number in range(options.rounds):
                for name in ("leat", "nginx") if number % 2 == 0 else ("nginx", "leat"):
                    row = measure(wrk, cpus[0], servers[name], ports[name], PATHS[what], options)
                    rates[name].append(row["requests_per_s"])
                    print(json.dumps({"bench": "http", "path": what, "server": name, **row}), flush=True)
            leat, other = statistics.median(rates["leat"]), statistics.median(rates["nginx"])
            print(json.dumps({"bench": "http", "path": what, "connections": options.connections,
                              "leat_requests_per_s": leat, "nginx_requests_per_s": other,
                              "ratio": round(leat / other, 3)}), flush=True)
    finally:
        for process in processes:
            end(process)
        shutil.rmtree(directory, ignore_errors=True)


main()
