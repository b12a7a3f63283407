#!/usr/bin/env python3
"""What a viewer costs the WHIP and WHEP server of examples/whip_whep: one worker, driven by whip_load on this machine.

usage: bench/whip.py [--seconds S] [--quick] [CASE...]

A line of JSON for each case: viewers (100, 400 and 1,000 of them), sha1, loss, joins, storm; then one for memory, when
the smallest and the largest crowd were measured. Each case has a server of its own on one CPU, the load has the
other; with one CPU they share it. --quick runs all with a handful of viewers: it shows that the cases work, and
its figures say nothing. Of Janus there is no case: Debian's package speaks neither WHIP nor WHEP without a gateway
that is not packaged.
"""
import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.environ.get("LEAT_BUILD", os.path.join(ROOT, "build", "release"))
SERVER = os.path.join(BUILD, "examples", "whip_whep", "whip_whep")
LOAD = os.path.join(BUILD, "bench", "whip_load")
CASES = ["viewers", "sha1", "loss", "joins", "storm"]
STORM_SECONDS = 5
CROWDS, QUICK_CROWDS = [100, 400, 1000], [3, 6, 12]


def free_port():
    """Free for TCP and UDP: HTTP's and media's are the same."""
    for _ in range(100):
        with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
            tcp.bind(("127.0.0.1", 0))
            try:
                udp.bind(("127.0.0.1", tcp.getsockname()[1]))
                return tcp.getsockname()[1]
            except OSError:
                pass
    return sys.exit("no port is free for both TCP and UDP")


def start(cpu, command, **more):
    return subprocess.Popen(command, preexec_fn=lambda: os.sched_setaffinity(0, {cpu}), **more)


def end(process):
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


class Server:
    """One worker on the last CPU, for a `with`."""

    def __init__(self):
        self.cpus = sorted(os.sched_getaffinity(0))
        self.port = free_port()
        self.process = None

    def __enter__(self):
        self.process = start(self.cpus[-1], [SERVER, "--workers", "1", "--port", str(self.port)],
                             stdout=subprocess.DEVNULL)
        for _ in range(200):
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return self
            except OSError:
                time.sleep(0.05)
        end(self.process)
        return sys.exit(f"{SERVER} does not answer on port {self.port}")

    def __exit__(self, *_):
        end(self.process)

    def load(self, viewers, seconds, *more, publishes=True):
        """whip_load, started."""
        url = f"http://127.0.0.1:{self.port}"
        command = [LOAD, "--whep", f"{url}/whep/demo", "--viewers", str(viewers), "--seconds", str(seconds),
                   "--server-pid", str(self.process.pid), *more]
        if publishes:
            command += ["--whip", f"{url}/whip/demo"]
        return start(self.cpus[0], command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def result_of(load):
    """What whip_load said; whether all went well is in "ok"."""
    out, error = load.communicate(timeout=600)
    try:
        return json.loads(out)
    except ValueError:
        return sys.exit(f"whip_load said: {out}{error}")


def wait_until_measuring(load):
    for line in load.stderr:
        if "measuring" in line:
            return
    sys.exit("whip_load ended before it measured")


def row(case, result):
    """The figures of one load that a table needs."""
    if "connect_ms" not in result:
        sys.exit(f"whip_load: {result.get('why')}")
    wanted = ("ok", "why", "viewers", "up", "flowing", "seconds", "packets", "packets_per_second_and_viewer", "missing_before", "gaps",
              "lost", "missing", "repaired", "audio_lost", "joined_ms", "served_ms", "connect_ms", "first_packet_ms",
              "latency_ms", "load_cpu_percent", "server_cpu_percent", "server_us_per_packet", "server_rss_kb")
    return {"bench": "whip", "case": case, **{name: result[name] for name in wanted}}


def say(record):
    print(json.dumps(record), flush=True)
    return record


def crowd(case, viewers, seconds, *more):
    with Server() as server:
        return say(row(case, result_of(server.load(viewers, seconds, *more))))


def storm(viewers):
    """So many join within a second beside as many who watch already, and are measured for not much longer than that."""
    with Server() as server:
        old = server.load(viewers, STORM_SECONDS)
        wait_until_measuring(old)
        new = server.load(viewers, 1, "--ramp", str(max(1, 1000 // viewers)), publishes=False)
        joined, watched = result_of(new), result_of(old)
        record = row("storm", watched)
        for name in ("ok", "why", "up", "flowing", "joined_ms", "served_ms", "connect_ms", "first_packet_ms"):
            record[f"new_{name}"] = joined[name]
        return say(record)


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("cases", nargs="*", metavar="CASE", help=", ".join(CASES))
    options = parser.parse_args()
    for case in options.cases:
        if case not in CASES:
            parser.error(f"no case {case}")
    cases = options.cases or CASES
    for program in (SERVER, LOAD):
        if not os.path.exists(program):
            sys.exit(f"{program} is not built: cmake --build --preset release --target whip_whep whip_load")
    crowds = QUICK_CROWDS if options.quick else CROWDS
    seconds = 1 if options.quick else options.seconds
    quick = {"quick": True} if options.quick else {}
    if "viewers" in cases:
        rows = [crowd("viewers", viewers, seconds) for viewers in crowds]
        grown = rows[-1]["server_rss_kb"] - rows[0]["server_rss_kb"]
        say({"bench": "whip", "case": "memory", "from": crowds[0], "to": crowds[-1],
             "ok": rows[0]["ok"] and rows[-1]["ok"], **quick,
             "kb_per_viewer": round(grown / (crowds[-1] - crowds[0]), 1)})
    if "sha1" in cases:
        crowd("sha1", crowds[1], seconds, "--sha1")
    if "loss" in cases: # in one go, so that the two have seen the same machine
        crowd("no_loss", crowds[1], seconds)
        crowd("loss", crowds[1], seconds, "--drop", "2")
    if "joins" in cases:
        # Not 100: sound comes each 20 ms, and who joins in step with it always waits as long.
        crowd("joins", 5 if options.quick else 100, seconds, "--ramp", "103")
    if "storm" in cases:
        storm(5 if options.quick else 500)


main()
