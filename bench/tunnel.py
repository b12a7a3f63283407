#!/usr/bin/env python3
"""TCP through the example tunnel, between two network namespaces that examples/tunnel/run makes and ends.

usage: bench/tunnel.py [--seconds S] [--rounds N]

A line of JSON: what iperf3's receiver got through it, with super-packets passed whole. Needs iperf3 and the right
to make namespaces: else it says so and exits with 77.
"""
import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.environ.get("LEAT_BUILD", os.path.join(ROOT, "build", "release"))


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    if shutil.which("iperf3") is None:
        print("SKIP iperf3 is not here; Debian's package is iperf3")
        sys.exit(77)
    rates = []
    for _ in range(options.rounds):
        result = subprocess.run(
            [os.path.join(ROOT, "examples", "tunnel", "run"), "--seconds", str(options.seconds), "--program",
             os.path.join(BUILD, "examples", "tunnel", "tunnel")],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60 + options.seconds, check=False)
        if result.returncode == 77:
            print("SKIP " + result.stdout.strip().splitlines()[-1])
            sys.exit(77)
        found = re.search(r"([\d.]+) Gbits/sec\s+receiver", result.stdout)
        if result.returncode != 0 or found is None:
            sys.exit(result.stdout)
        rates.append(float(found.group(1)))
    print(json.dumps({"bench": "tunnel", "rounds": options.rounds, "gbit_per_s": statistics.median(rates),
                      "min": min(rates), "max": max(rates)}))


main()
