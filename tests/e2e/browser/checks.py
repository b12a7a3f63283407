"""Cases of a group: each prints PASS or FAIL; one that fails does not keep the others from running."""

import contextlib
import os
import sys
import tempfile
import time
import traceback

from server import Pages, Server

CASES = []


class Failure(Exception):
    pass


def check(condition, what):
    if not condition:
        raise Failure(what)


def case(function):
    """Marks a function as a case; its first line of documentation is its name."""
    CASES.append(function)
    return function


class Bench:
    """What cases have: a browser, pages of another origin, a server unless a case starts one with other flags."""

    def __init__(self, browser, folder):
        self.browser = browser
        self.folder = folder
        self.pages = Pages()
        self.opened = []
        self.server = None

    def serve(self, *flags):
        self.server = Server(self.folder, *flags)
        return self.server

    def stop_server(self):
        """A server that has died meanwhile fails the case."""
        server, self.server = self.server, None
        alive, status = server.alive(), server.stop()
        check(alive, f"the server has ended by itself, with status {status}")
        check(status == 0, f"the server ends with status {status}")

    def page(self, url=None):
        page = self.browser.page(url or self.pages.url())
        self.opened.append(page)
        return page

    def clear(self):
        """What a case leaves is gone before the next one begins."""
        for page in self.opened:
            with contextlib.suppress(Exception):
                page.close()
        self.opened.clear()
        if self.server:
            self.stop_server()


def run_case(function, bench):
    name = function.__doc__.splitlines()[0].rstrip(".")
    began = time.monotonic()
    problem = None
    try:
        try:
            function(bench)
        finally:
            bench.clear()
    except Failure as failure:
        problem = str(failure)
    except Exception as failure:  # the browser's driver, say
        problem = f"{type(failure).__name__}: {str(failure).splitlines()[0] if str(failure) else ''}"
        traceback.print_exc()
    took = time.monotonic() - began
    print(f"PASS {name} ({took:.1f} s)" if problem is None else f"FAIL {name}: {problem}", flush=True)
    return problem is None


def main(make_browser):
    """Runs the cases whose names contain one of the words of the command line; all without."""
    words = sys.argv[1:]
    wanted = [one for one in CASES if not words or any(word in one.__doc__ for word in words)]
    folder = tempfile.mkdtemp(dir=os.environ.get("TMPDIR"))
    browser = make_browser(folder)
    try:
        bench = Bench(browser, folder)
        good = [run_case(one, bench) for one in wanted]
        bench.pages.stop()
    finally:
        if browser is not None:
            browser.quit()
    if not (good and all(good)):
        with open(os.path.join(folder, "whip_whep.err")) as file:
            print("the server says:", file.read()[-4000:], sep="\n")
        sys.exit(1)
