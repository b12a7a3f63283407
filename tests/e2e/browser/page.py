"""What the drivers of both browsers have in common: a page runs JavaScript and says what came of it."""

import json


class PageError(Exception):
    """The page's script threw."""


# The body is an async function's; its arguments come, and its result goes, as JSON.
CALL = """(text) => (async function () { %s }).apply(null, JSON.parse(text)).then(
    (value) => JSON.stringify({ value: value === undefined ? null : value }),
    (error) => JSON.stringify({ error: String(error) }))"""


class Page:
    """A window of a browser. What differs is call(), click(), type(), open(), screenshot(), close()."""

    def run(self, body, *args):
        answer = json.loads(self.call(CALL % body, json.dumps(args)))
        if "error" in answer:
            raise PageError(answer["error"])
        return answer["value"]

    def text(self, selector):
        return self.run("return document.querySelector(arguments[0]).textContent", selector)
