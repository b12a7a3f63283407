"""Turns CTest's JUnit file into one line per test case: PASS, FAIL or SKIP, a name, why.

usage: ctest_cases.py JUNIT_FILE CTEST_EXIT_STATUS TIMEOUT_S

A program written with tests/check.h prints a "[check]" line per case; any other program is one case.
A program that failed without saying which case (a crash, a sanitizer's report, a time-out) is one
failed case more.
"""

import os
import re
import sys
import xml.etree.ElementTree as ElementTree

CASE = re.compile(r"\[check\] (PASS|FAIL|SKIP) ([^\s:]+)(?:: (.*))?")
SANITIZER = re.compile(r"^SUMMARY: .*Sanitizer.*|^.*runtime error:.*", re.MULTILINE)
SKIP_REASON = re.compile(r"^SKIP (.+)$", re.MULTILINE)


def lines_of(test, timeout_s):
    """The result lines of one CTest test."""
    name = test.get("name")
    status = test.get("status")
    output = test.findtext("system-out") or ""
    # What a program prints may hold bytes that XML escapes badly; cases are found wherever they are.
    cases = CASE.findall(output)
    lines = [
        f"{result} {name}/{case}" + (f": {why.strip()}" if why else "")
        for result, case, why in cases
    ]
    if status == "fail":
        if not any(result == "FAIL" for result, _, _ in cases):
            report = SANITIZER.search(output)
            why = report.group(0) if report else "failed without naming a case"
            if float(test.get("time", 0)) >= timeout_s:
                why = f"took more than {timeout_s} s"
            lines.append(f"FAIL {name}: {why}")
    elif not cases:
        if status == "run":
            lines.append(f"PASS {name}")
        else:
            skipped = test.find("skipped")
            reason = SKIP_REASON.search(output)
            last = output.strip().splitlines()[-1:] or [""]
            why = (reason.group(1) if reason else last[0]) or (
                skipped.get("message") if skipped is not None else ""
            )
            lines.append(f"SKIP {name}: {why}")
    return lines


def main():
    path, status, timeout_s = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    if not os.path.exists(path):
        if status == 0:
            return  # no tests
        print(f"FAIL ctest: exit status {status}")
        return
    lines = []
    for test in ElementTree.parse(path).getroot().iter("testcase"):
        lines += lines_of(test, timeout_s)
    if status != 0 and not any(line.startswith("FAIL") for line in lines):
        lines.append(f"FAIL ctest: exit status {status}")
    for line in lines:
        print(line)


main()
