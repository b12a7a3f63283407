#!/usr/bin/env bash
# The demo's view in a pseudo-terminal: what it shows, what the keys do, and that the terminal is as it was
# at the end, whatever the end is.
# shellcheck source=tests/examples/common.bash
source "$(dirname "${BASH_SOURCE[0]}")/common.bash"

demo=$(program sched_demo)
[[ $(ldd "$demo") == *libncursesw* ]] || skip "sched_demo was built without ncursesw"

PYTHONPATH=$root/scripts/lib timeout -k 5 60 python3 - "$demo" <<'END' || fail "see above"
import os
import re
import signal
import sys

from terminal import Terminal

demo = sys.argv[1]


def view(*flags, columns=80, lines=24, **environment):
    return Terminal([demo, "--workers", "2", *flags], columns, lines, environment)


def see(terminal, *patterns):
    for pattern in patterns:
        if not terminal.wait_for(pattern):
            sys.exit(f"the screen does not show \"{pattern}\":\n{terminal.text()}")


def end(terminal, status=0):
    if terminal.wait(10):
        sys.exit(f"it does not end:\n{terminal.text()}")
    if terminal.status != status:
        sys.exit(f"status {terminal.status}, not {status}:\n{terminal.text()}")
    if not terminal.is_restored():
        sys.exit("the terminal is not as it was")


terminal = view("--io", "epoll")
see(terminal, r"^leat +io epoll +2 workers", r"^ 1 .* \d+%", r"│ Waiting|│ +Waiting", "^.* q quit", "l loss", "space hold",
    r"messages [\d.]+[kM]", "news", "video", r"^router .*slow motion", "→")
terminal.type("?")
see(terminal, "full mailbox: ", "any key goes back")
terminal.type("x")
see(terminal, "^router")
for keys, *patterns in (
        ("+", "rate 200 %"), ("---", "rate 25 %"), ("--", "rate 12 %: as low as there can be"),
        ("+++", "rate 100 %"), ("a", "10 consumers"), ("A", "8 consumers$"),
        ("f", r"refused [1-9]", " full *$", "small box"), ("f", "flood has ended"),
        ("k", r"dead letters [1-9]", " stopped *$"), ("k", r"dead letters 0"),
        ("s", " slow *$", "actor slow consumer .* has held worker"), ("s", "is killed"),
        ("u", "at once"), ("l", "for the simulated network"), ("t", "^producer "),
        ("tttt", r"^consumer \(the one s slows\)"), ("t", r"^consumer \(the one k stops\)"), ("k", "(?s)→ Stopped"),
        ("k", "→ (OnInput|Waiting)"), ("tttttttttt", r"^consumer \(the one s"),
        ("tt", "^the group .*slow motion", "PopCurrentTick", "→ On(Tick|Input)SingleTask"),
        (" ", "paused"), (" ", "OnTick"), ("b", "^leat +io poll", "epoll has ended: sent [0-9]* ="),
        ("b", r"io sim \(virtual time\)"), ("l", "loss 10%")):
    terminal.type(keys)
    see(terminal, *patterns)
terminal.resize(160, 50)
see(terminal, "^leat", "bus channels", "messages/s at most")
terminal.resize(20, 5)
see(terminal, "^needs 80x24,$", "^is 20x5$")
terminal.resize(100, 30)
see(terminal, "^leat")
terminal.type("q")
end(terminal)
see(terminal, r"^backends +epoll, poll, sim, sim$", "^every message is accounted for")

# Every actor is in the list, or in its last line; one that is followed has always done something.
terminal = view("--io", "epoll")
see(terminal, r"^router .*slow motion", "→")
for _ in range(100):  # longer than what is played in a row
    terminal.wait(0.1)
    if "nothing has happened" in terminal.text():
        sys.exit(f"a busy actor has done nothing:\n{terminal.text()}")
for columns, lines in ((80, 24), (100, 30), (160, 50)):
    terminal.resize(columns, lines)
    see(terminal, "^leat")
    terminal.wait(0.5)
    rows = terminal.text().split("\n")
    if not any("behaviours" in row for row in rows):
        sys.exit(f"no list:\n{terminal.text()}")
    total = int(re.search(r"(\d+) actors", rows[0]).group(1))
    listed = re.findall(r"  ([a-z+][\w ]*?) +(\d+) +[\d.]+[kM]?(?: |$)", "\n".join(
        row[53:88] for row in rows[3:]), re.MULTILINE)
    shown = sum(int(n) for name, n in listed if name not in ("news", "video"))
    if abs(shown - total) > 1:  # the group is one, too
        sys.exit(f"{shown} of {total} actors are listed:\n{terminal.text()}")
terminal.type("q")
end(terminal)

# ASCII where there is nothing else, and no colours.
terminal = view(LC_ALL="C", TERM="vt100")
see(terminal, r"\| +Waiting +\|", "OnInput", "^ 0 [#=+.]+ ")
if not terminal.text().isascii():
    sys.exit(f"not ASCII:\n{terminal.text()}")
os.kill(terminal.pid, signal.SIGTERM)
end(terminal)
see(terminal, "^messages +sent")

terminal = view("--seconds", "1")
end(terminal)
see(terminal, "^messages +sent")

terminal = view()
see(terminal, "^leat")
os.kill(terminal.pid, signal.SIGINT)
end(terminal)

# No runtime, no socket: said where it can be read.
terminal = view("--bind", "192.0.2.1")
end(terminal, 1)
see(terminal, "cannot open the echo's socket")

# A death that is none of the runtime's doing.
terminal = view()
see(terminal, "^router")
os.kill(terminal.pid, signal.SIGQUIT)
end(terminal, -signal.SIGQUIT)
END
