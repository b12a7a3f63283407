"""Renders what leat-bench measured as a page with plots.

usage: bench_report.py RESULTS.jsonl PAGE.md

RESULTS has one JSON object a line, as leat-bench --json prints it; of two lines for the same
workload, workers and backend the later counts. The plots go to img/ beside the page. Figures of peers are
constants: they were measured separately, and are an order of magnitude beside ours.
"""

import datetime
import json
import math
import os
import platform
import re
import subprocess
import sys

PEERS_NOTE = "measured separately, 2 cores Zen 4"

# Best peer by workload and workers: name, ns per operation.
PEERS = {
    ("pingpong", 1): ("Pony", 49),
    ("pingpong", 2): ("skynet", 67),
    ("counting", 1): ("Pony", 33),
    ("counting", 2): ("Pony", 35),
    ("threadring", 1): ("Pony", 37),
    ("threadring", 2): ("skynet", 85),
    ("fjthroughput", 1): ("Pony", 37),
    ("fjthroughput", 2): ("Pony", 35),
    ("fjcreate", 1): ("Erlang/OTP", 989),
    ("fjcreate", 2): ("Pony", 1137),
    ("idle1m", 1): ("CAF", 1105),
    ("idle1m", 2): ("Pony", 875),
    ("big", 1): ("Pony", 29),
    ("big", 2): ("Pony", 48),
    ("mailbox", 1): ("Pony", 34),
    ("mailbox", 2): ("Pony", 28),
    ("ext", 1): ("Pony, spinning", 99.7),
    ("ext", 2): ("Pony, spinning", 79),
    ("ext1", 1): ("Pony, spinning", 450),
    ("ext1", 2): ("Pony, spinning", 450),
}

# The same of a further figure: workload, figure: name, value.
PEERS_FURTHER = {
    ("idle1m", "bytes_per_actor"): ("Pony", 546),
    ("idle_cpu", "cpu_percent"): ("SObjectizer", 0),
    ("ext", "latency_ns"): ("Pony, spinning", 32000),
}

# Targets: workload, workers: figure, limit. "ratio" is to the floor of the same run; "floor+" is
# the floor's figure of that name and so many ns more; "ns<NAME" is our ns to the floor's figure NAME.
# None for workers: any number of them. Of backends, epoll and uring are judged, only uring against the floor's
# uring_ns.
TARGETS = [
    ("pingpong", 1, "ns", 17),
    ("pingpong", 2, "ns", 25),
    ("counting", 1, "ns", 16),
    ("counting", 2, "ns", 20),
    ("counting", None, "memory_above_idle_bytes", 8 << 20),
    ("threadring", 1, "ns", 18),
    ("threadring", 2, "ns", 30),
    ("fjthroughput", 1, "ns", 18),
    ("fjthroughput", 2, "ns", 20),
    ("fjcreate", None, "ns", 150),
    ("idle1m", None, "bytes_per_actor", 256),
    ("big", 1, "ns", 20),
    ("big", 2, "ns", 30),
    ("mailbox", 1, "ns", 16),
    ("mailbox", 2, "ns", 20),
    ("ext", None, "ns", 60),
    ("ext", None, "latency_ns", 25000),
    ("ext", None, "sleeping_ns", 100),
    ("ext", None, "sleeping_latency_ns", 40000),
    ("ext1", None, "ns", 700),
    ("ext1", None, "cold_ns", 60000),
    ("idle_cpu", None, "cpu_percent", 0.1),
    ("idle_cpu", None, "workers_cpu_ns_per_s", 0),
    ("roundtrip", None, "ratio", 2),
    ("roundtrip", None, "ns", 300),
    ("wakeup", None, "floor+ns", 1000),
    ("publish1000", None, "ns", 20),
    ("group_walk", None, "delay_max_ns", 2000000),
    ("udp_echo", None, "ratio", 1 / 0.95),
    ("udp_echo_trains", None, "ratio", 1 / 0.60),
    ("udp_echo_trains_whole", None, "ratio", 1 / 0.90),
    ("udp_echo_64x4", None, "ratio", 1 / 0.85),
    ("udp_fanout", None, "ratio", 1 / 0.92),
    ("udp_rtt", None, "floor+ns", 500),
    ("udp_rtt", None, "floor+sleeping_ns", 500),
    ("tun_echo", None, "ratio", 1 / 0.90),
    ("tun_echo_offload", None, "ratio", 1 / 0.60),
    ("tcp_echo", None, "ratio", 1.05),
    ("tcp_echo", None, "ns<uring_ns", 1.05),
    ("tcp_echo", None, "ns<libuv_ns", 1),
    ("tcp_echo_1000", None, "ratio", 1.05),
    ("tcp_echo_1000", None, "ns<uring_ns", 1.05),
    ("tcp_echo_1000", None, "ns<libuv_ns", 1),
]

JUDGED_IO = (None, "auto", "epoll", "uring")

SECTIONS = [
    ("Messages", "messages",
     ["pingpong", "counting", "threadring", "fjthroughput", "fjcreate", "idle1m", "big", "mailbox"],
     "ns per message; `fjcreate` and `idle1m`: per actor. Two workers with default placement keep "
     "children on their parent's worker; *spread* puts the actors on the workers in turn, and has "
     "no target."),
    ("From outside, and across workers", "outside",
     ["ext", "ext1", "roundtrip", "wakeup"],
     "`ext` and `ext1`: ns per echo, which is two messages. `roundtrip`: per message. `wakeup`: "
     "from the send until the actor on the sleeping worker has it."),
    ("Time and idleness", "time", ["deadlines", "idle_cpu"],
     "`deadlines`: ns to arm one, the message that does it included, and to fire it. `idle_cpu`: "
     "ns of CPU, of the whole process, in each second of doing nothing."),
    ("Bus, groups, tracing", "bus",
     ["publish1000", "group_tick", "group_walk", "trace_overhead"],
     "`publish1000`: ns per subscriber. `group_tick`: per deadline, re-armed each time. `group_walk`: per "
     "member, of which each works for 2 us; `delay_*` is what a message to another actor of that worker "
     "and back to a thread outside takes meanwhile. `trace_overhead`: ns per message with every "
     "transition traced, its floor is the same without."),
    ("UDP", "udp",
     ["udp_echo", "udp_echo_trains", "udp_echo_trains_whole", "udp_echo_64x4", "udp_fanout",
      "udp_rtt"],
     "ns of wall time per datagram, one worker against one generator; `server_cpu_ns` is the "
     "server's own share. `udp_rtt`: the median round trip."),
    ("TUN", "tun", ["tun_echo", "tun_echo_offload"],
     "ns of wall time per packet of 64 bytes that an interface gives and takes back; `server_cpu_ns` is the "
     "server's own share."),
    ("TCP", "tcp", ["tcp_echo", "tcp_echo_1000"],
     "ns of wall time per request of 64 bytes and its answer, one worker against one generator, an "
     "actor for each connection; the ratio is to a plain epoll loop. Beside it in the same repetition: a "
     "plain io_uring loop (`uring_*`) and libuv (`libuv_*`)."),
]

# Figures that are explained by the tables already.
HIDDEN = {"workload", "workers", "spread", "quick", "repeat", "io", "ns", "floor", "ratio",
          "idle_rss_bytes", "peak_rss_bytes", "messages"}


# ---- reading ----

def read(path):
    """Results by workload, in order; and those of bench/*.py."""
    results, scripts = {}, []
    with open(path, encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                record = json.loads(line)
                if "bench" in record: # of a script, not of leat-bench
                    scripts.append(record)
                    continue
                key = (record["workload"], record["workers"], record["spread"], record.get("io"))
            except (ValueError, KeyError, TypeError) as error:
                sys.exit(f"{path}:{number}: not a result of leat-bench ({error})")
            record["memory_above_idle_bytes"] = (
                record["peak_rss_bytes"] - record.get("idle_rss_bytes", 0))
            results[key] = record
    if not results and not scripts:
        sys.exit(f"{path}: no results")
    return results, scripts


def rows_of(results, workload):
    """Its results: one worker, two, two spread; by backend."""
    return sorted((r for r in results.values() if r["workload"] == workload),
                  key=lambda r: (r["workers"], r["spread"], r.get("io") or ""))


# ---- judging ----

def figure(record, name):
    """A figure of a result; None if it has none of that name."""
    if name == "ns":
        return record["ns"]["median"]
    value = record.get(name)
    return value if isinstance(value, (int, float)) else None


def floor_figure(record, name):
    if name == "ns":
        return record["floor"]["ns"]["median"]
    value = record["floor"].get(name)
    return value if isinstance(value, (int, float)) else None


def targets_of(record):
    """(figure, value, limit, met) for each target that applies."""
    found = []
    if record["spread"] and record["workload"] != "roundtrip":
        return found
    if record.get("io") not in JUDGED_IO:
        return found
    for workload, workers, name, limit in TARGETS:
        if workload != record["workload"] or workers not in (None, record["workers"]):
            continue
        if name == "ns<uring_ns" and record.get("io") != "uring":
            continue
        if name.startswith("floor+"):
            name = name[len("floor+"):]
            floor = floor_figure(record, name)
            limit = floor + limit if floor is not None else None
        if name.startswith("ns<"):
            floor = floor_figure(record, name[len("ns<"):])
            value = figure(record, "ns") / floor if floor else None
        else:
            value = figure(record, name)
        if value is not None and limit is not None:
            found.append((name, value, limit, value <= limit))
    return found


# ---- the page ----

def number(value):
    """As few digits as tell something."""
    if abs(value) >= 100 or value == int(value):
        return f"{value:,.0f}"
    if abs(value) >= 10:
        return f"{value:.1f}"
    return f"{value:.2f}"


def quantity(name, value):
    """With a unit that its name ends in."""
    if name.endswith("_bytes") and value >= 1 << 20:
        return f"{value / (1 << 20):.1f} MiB"
    if name.endswith("_ns") and value >= 10000:
        return f"{value / 1000:,.1f} µs"
    if name == "ns" or name.endswith("_ns"):
        return f"{number(value)} ns"
    if name.endswith("_percent"):
        return f"{value:.3g} %"
    return number(value)


def workers_text(record):
    io = f" {record['io']}" if "io" in record else ""
    return f"{record['workers']}{' spread' if record['spread'] else ''}{io}"


def peer_text(record):
    if record["spread"]:
        return ""
    peer = PEERS.get((record["workload"], record["workers"]))
    return f"{number(peer[1])} ({peer[0]})" if peer else ""


def main_target(record):
    """Target and verdict on ns, for the main table."""
    texts, verdicts = [], []
    for name, _, limit, met in targets_of(record):
        if name == "ns":
            texts.append(f"≤ {number(limit)}")
            verdicts.append(met)
        elif name == "ratio":
            texts.append(f"≤ {limit:.2f} × floor")
            verdicts.append(met)
        elif name.startswith("ns<"):
            times = f"{limit:.2f} × " if limit != 1 else ""
            texts.append(f"≤ {times}{name[len('ns<'):].removesuffix('_ns')}")
            verdicts.append(met)
    if not texts:
        return "", ""
    return ", ".join(texts), "met" if all(verdicts) else "**missed**"


def main_table(records):
    lines = [
        "| workload | workers | min | median | max | floor | ratio | target | | best peer |",
        "|---|---|---:|---:|---:|---:|---:|---|---|---|",
    ]
    for record in records:
        ns = record["ns"]
        target, verdict = main_target(record)
        floor = floor_figure(record, "ns")
        lines.append(
            f"| `{record['workload']}` | {workers_text(record)} | {number(ns['min'])} "
            f"| {number(ns['median'])} | {number(ns['max'])} | {number(floor)} "
            f"| {record['ratio']:.2f} | {target} | {verdict} | {peer_text(record)} |")
    return lines


def further_table(records):
    lines = ["| workload | workers | figure | value | floor | target | | best peer |",
             "|---|---|---|---:|---:|---|---|---|"]
    for record in records:
        judged = {name: (limit, met) for name, _, limit, met in targets_of(record)}
        for name, value in record["floor"].items():
            if name not in record and isinstance(value, (int, float)):
                lines.append(f"| `{record['workload']}` | {workers_text(record)} | {name} | "
                             f"| {quantity(name, value)} | | | |")
        for name, value in record.items():
            if name in HIDDEN or not isinstance(value, (int, float)) or isinstance(value, bool):
                continue
            if value == 0 and name in ("refused", "lost"):
                continue
            floor = floor_figure(record, name)
            limit, met = judged.get(name, (None, None))
            peer = PEERS_FURTHER.get((record["workload"], name))
            lines.append(
                f"| `{record['workload']}` | {workers_text(record)} | {name} "
                f"| {quantity(name, value)} | {quantity(name, floor) if floor is not None else ''} "
                f"| {'≤ ' + quantity(name, limit) if limit is not None else ''} "
                f"| {'' if met is None else 'met' if met else '**missed**'} "
                f"| {f'{quantity(name, peer[1])} ({peer[0]})' if peer else ''} |")
    return lines


def workloads_list(records):
    seen = {}
    for record in records:
        seen.setdefault(record["workload"], f"{record['what']}. Floor: {record['floor']['name']}; "
                                            f"{record['repeat']} repetitions.")
    return [f"- `{name}`: {text}" for name, text in seen.items()]


def commit_text():
    try:
        said = subprocess.run(["git", "log", "-1", "--format=%h"], stdout=subprocess.PIPE, text=True, check=True)
        return f" at {said.stdout.strip()}"
    except (OSError, subprocess.CalledProcessError):
        return ""


def cpu_name():
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            for line in lines:
                if line.startswith("model name"):
                    return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.machine()


def scripts_rows(scripts):
    """(what, leat, peer, target, met) of what programs of others measured."""
    rows = []
    for record in scripts:
        if record["bench"] == "http" and "ratio" in record:
            rows.append((f"HTTP keep-alive, {record['connections']} connections, a small body by "
                         f"{'a route' if record['path'] == 'function' else 'a file'}",
                         f"{record['leat_requests_per_s']:,.0f} requests/s",
                         f"nginx: {record['nginx_requests_per_s']:,.0f}",
                         "≥ nginx", record["ratio"] >= 1))
        elif record["bench"] == "tunnel":
            rows.append(("TCP through the example tunnel (iperf3)", f"{record['gbit_per_s']} Gb/s", "",
                         "≥ 8 Gb/s", record["gbit_per_s"] >= 8))
    return rows


# Whether a WHIP row is good at all: everybody was up, and nothing that could be had was missing in the end.
def whip_whole(record):
    return record["ok"] and record["lost"] == 0 and (record["case"] == "loss" or record["audio_lost"] == 0)


def latency(record):
    return f"{record['latency_ms']['p50']:.0f}/{record['latency_ms']['p99']:.0f} ms"


def whip_crowd_row(record):
    profile = "AES-CM with HMAC-SHA1" if record["case"] == "sha1" else "AES-GCM"
    peer = "Janus: 79 % for 100, 34 µs; of 200 it loses 27 %" if record["viewers"] == 100 else ""
    target, met = "", None
    if record["viewers"] == 1000:
        target = "≤ 90 %, ≤ 3.8 µs, 0 lost, ≤ 12/25 ms"
        met = (whip_whole(record) and record["server_cpu_percent"] <= 90 and record["server_us_per_packet"] <= 3.8
               and record["latency_ms"]["p50"] <= 12 and record["latency_ms"]["p99"] <= 25)
    return (f"{record['viewers']:,} viewers, {profile}",
            f"{record['server_cpu_percent']:.0f} % of a core, {record['server_us_per_packet']:.2f} µs a packet, "
            f"{record['lost'] + record['audio_lost']:,} lost, {latency(record)}", peer, target, met)


def whip_rows(scripts):
    """The same of bench/whip.py; met is None where there is no target."""
    rows, no_loss = [], None
    for record in (record for record in scripts if record["bench"] == "whip"):
        case = record["case"]
        if case in ("viewers", "sha1"):
            rows.append(whip_crowd_row(record))
        elif case == "memory":
            rows.append((f"Memory of a viewer: RSS from {record['from']} to {record['to']:,}",
                         f"{record['kb_per_viewer']:.0f} KB", "", "≤ 60 KB",
                         record["ok"] and record["kb_per_viewer"] <= 60))
        elif case == "no_loss":
            no_loss = record
        elif case == "loss":
            more = record["server_us_per_packet"] / no_loss["server_us_per_packet"] - 1
            rows.append((f"2 % of all packets lost, {record['viewers']} viewers",
                         f"{record['repaired']:,} of {record['gaps']:,} gaps repaired, {record['lost']:,} lost, "
                         f"{more:+.0%} CPU a packet", "", "0 lost, ≤ +15 %", whip_whole(record) and more <= 0.15))
        elif case == "joins":
            rows.append(("A viewer joins, 10 a second: POST to the first packet",
                         f"p50 {record['first_packet_ms']['p50']:.0f} ms, p95 {record['first_packet_ms']['p95']:.0f}; "
                         f"to keys {record['connect_ms']['p50']:.0f}", "", "p50 ≤ 15 ms",
                         record["ok"] and record["first_packet_ms"]["p50"] <= 15))
        elif case == "storm":
            rows.append((f"{record['viewers']} viewers join in 1 s beside {record['viewers']}",
                         f"all served in {record['new_served_ms'] / 1000:.1f} s; the old ones: "
                         f"{record['lost'] + record['audio_lost']:,} lost, {latency(record)}", "",
                         "≤ 2 s, 0 lost, p99 ≤ 50 ms",
                         record["new_ok"] and whip_whole(record) and record["new_served_ms"] <= 2000
                         and record["latency_ms"]["p99"] <= 50))
    return rows


def verdict(met):
    return "" if met is None else "met" if met else "**missed**"


def scripts_table(rows):
    return ["| | leat | beside it | target | |", "|---|---:|---:|---|---|",
            *(f"| {what} | {value} | {peer} | {target} | {verdict(met)} |" for what, value, peer, target, met in rows)]


def scripts_sections(others, whip):
    lines = []
    if others:
        lines += ["", "## HTTP, and a tunnel", "",
                  "HTTP: `examples/http_hello` and nginx on one CPU in turn, driven by `wrk` from the other; medians. "
                  "Tunnel: two network namespaces and all that runs in them on this machine.", "",
                  *scripts_table(others)]
    if whip:
        lines += ["", "## WHIP and WHEP", "",
                  "`examples/whip_whep` with one worker on one CPU, `bench/whip_load` on the other: one publisher of "
                  "1.5 Mb/s of video in flat frames and audio, 230 packets a second for each viewer. Latency (p50/p99) "
                  "is from the publisher's send call to the viewer's receive call. Janus is 1.1.2, of another "
                  f"run ({PEERS_NOTE}).", "", *scripts_table(whip)]
    return lines


def page(results, scripts, plots):
    others, whip = scripts_rows(scripts), whip_rows(scripts)
    judged = [met for record in results.values() for _, _, _, met in targets_of(record)]
    judged += [row[-1] for row in others + whip if row[-1] is not None]
    quick = any(record.get("quick") for record in [*results.values(), *scripts])
    lines = [
        "# Benchmarks",
        "",
        "Written by `scripts/bench --report`; do not edit. Each workload ran beside its *floor*, "
        "plain C that does the same work with nothing around it, repetition by repetition in turn, "
        "each in a process of its own. Read the ratios: the figures are this machine's.",
        "",
        f"{datetime.date.today()}{commit_text()}; {cpu_name()}, {os.cpu_count()} CPUs, "
        f"Linux {re.match(r'[0-9.]*', platform.release()).group()}. {sum(judged)} of {len(judged)} targets met. "
        "`memory_above_idle_bytes` is the peak less that of an idle runtime, and may be negative. With actors "
        "spread over workers the figures also depend on how busy the machine is with other things: ratios do not "
        "hold there.",
        "",
        f"A peer's figure is the best configuration found for it, {PEERS_NOTE}: not of this run.",
    ]
    if quick:
        lines += ["", "**Of a quick run: it shows that the workloads run; read no figure.**"]
    for title, plot, workloads, text in SECTIONS:
        records = [record for name in workloads for record in rows_of(results, name)]
        if not records:
            continue
        lines += ["", f"## {title}", "", text, ""]
        lines += main_table(records)
        lines += ["", *workloads_list(records)]
        for name, alt in plots.get(plot, []):
            lines += ["", f"![{alt}](img/{name})"]
        lines += ["", "<details><summary>Further figures</summary>", ""]
        lines += further_table(records)
        lines += ["", "</details>"]
    lines += scripts_sections(others, whip)
    return "\n".join(lines) + "\n"


# ---- plots ----

STYLE = """<style>
text { font: 12px system-ui, sans-serif; fill: #57606a; }
.title { font-size: 14px; font-weight: 600; }
.value { font-size: 11px; }
.grid { stroke: #8c959f; stroke-opacity: .35; }
.leat { fill: #0969da; } .floor { fill: #8c959f; } .peer { fill: #bf8700; }
.range { stroke: #24292f; stroke-width: 1.2; }
@media (prefers-color-scheme: dark) {
text { fill: #b1bac4; } .range { stroke: #e6edf3; }
.leat { fill: #4493f8; } .peer { fill: #d29922; }
}
</style>"""

WIDTH, LEFT, RIGHT, TOP = 760, 190, 120, 56
BAR, GAP, GROUP_GAP = 11, 2, 12


def escape(text):
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def ticks(low, high):
    """Decades from below the smallest value to above the greatest."""
    return [10.0 ** e for e in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)]


def plot(title, groups):
    """Horizontal bars on a logarithmic scale. groups: (label, [(class, what, value, min, max)])."""
    values = [v for _, bars in groups for bar in bars for v in bar[2:] if v]
    decades = ticks(min(values) * 0.9, max(values) * 1.1)
    first, last = math.log10(decades[0]), math.log10(decades[-1])

    def at(value):
        share = (math.log10(value) - first) / (last - first)
        return LEFT + max(share, 0) * (WIDTH - LEFT - RIGHT)

    body, y = [], TOP
    for label, bars in groups:
        middle = y + (len(bars) * (BAR + GAP) - GAP) / 2
        body.append(f'<text x="{LEFT - 10}" y="{middle + 4:.1f}" text-anchor="end">'
                    f'{escape(label)}</text>')
        for kind, what, value, low, high in bars:
            body.append(f'<rect class="{kind}" x="{LEFT}" y="{y}" '
                        f'width="{max(at(value) - LEFT, 1):.1f}" height="{BAR}"/>')
            end = at(value)
            if low and high and high > low:
                end = max(end, at(high))
                body.append(f'<line class="range" x1="{at(low):.1f}" x2="{at(high):.1f}" '
                            f'y1="{y + BAR / 2}" y2="{y + BAR / 2}"/>')
            body.append(f'<text class="value" x="{end + 5:.1f}" y="{y + BAR - 1}">'
                        f'{escape(number(value) + (" " + what if what else ""))}</text>')
            y += BAR + GAP
        y += GROUP_GAP
    height = y + 24
    grid = []
    for value in decades:
        grid.append(f'<line class="grid" x1="{at(value):.1f}" x2="{at(value):.1f}" y1="{TOP - 8}" '
                    f'y2="{y}"/><text class="value" x="{at(value):.1f}" y="{y + 16}" '
                    f'text-anchor="middle">{value:,.0f}</text>')
    legend = "".join(
        f'<rect class="{kind}" x="{x}" y="28" width="10" height="10"/>'
        f'<text class="value" x="{x + 15}" y="37">{text}</text>'
        for kind, x, text in (("leat", LEFT, "leat, with min and max"),
                              ("floor", LEFT + 160, "floor, same run"),
                              ("peer", LEFT + 280, f"best peer ({PEERS_NOTE})"))
        if any(bar[0] == kind for _, bars in groups for bar in bars))
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
            f'width="{WIDTH}" height="{height}" role="img" aria-label="{escape(title)}">\n{STYLE}\n'
            f'<text class="title" x="{LEFT}" y="18">{escape(title)}</text>\n{legend}\n'
            + "\n".join(grid + body) + "\n</svg>\n")


def bars_of(record):
    ns, floor = record["ns"], record["floor"]["ns"]
    bars = [("leat", "", ns["median"], ns["min"], ns["max"]),
            ("floor", "", floor["median"], None, None)]
    peer = PEERS.get((record["workload"], record["workers"]))
    if peer and not record["spread"]:
        bars.append(("peer", peer[0], peer[1], None, None))
    return bars


def plots_write(results, directory):
    """Writes the plots; section: [(file name, alternative text)]."""
    written = {}
    os.makedirs(directory, exist_ok=True)

    def write(section, name, title, records, label):
        groups = [(label(record), bars_of(record)) for record in records]
        if groups:
            with open(os.path.join(directory, name), "w", encoding="utf-8") as out:
                out.write(plot(title, groups))
            written.setdefault(section, []).append((name, title))

    for _, section, workloads, _ in SECTIONS:
        records = [record for name in workloads for record in rows_of(results, name)]
        if section == "messages":
            for workers, name in ((1, "messages-1.svg"), (2, "messages-2.svg")):
                title = f"ns per message or actor, {workers} worker{'s' if workers > 1 else ''}"
                write(section, name, title + ", logarithmic",
                      [r for r in records if r["workers"] == workers],
                      lambda r: r["workload"] + (" (spread)" if r["spread"] else ""))
        else:
            write(section, section + ".svg", "ns per operation, logarithmic", records,
                  lambda r: f"{r['workload']}, {workers_text(r)}")
    return written


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__.strip())
    source, target = sys.argv[1], sys.argv[2]
    results, scripts = read(source)
    directory = os.path.dirname(os.path.abspath(target))
    os.makedirs(directory, exist_ok=True)
    plots = plots_write(results, os.path.join(directory, "img"))
    with open(target, "w", encoding="utf-8") as out:
        out.write(page(results, scripts, plots))


main()
