"""The server's own pages, clicked through. With SCREENSHOTS, a folder, pictures of them go there."""

import os
import socket
import time

from checks import case, check, main
from chromium import Chromium
from server import until

SCREENSHOTS = os.environ.get("SCREENSHOTS")


def free_tcp_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def picture(page, name):
    if SCREENSHOTS:
        page.run("document.activeElement?.blur()")
        page.resize(1000, page.run("return document.querySelector('main').getBoundingClientRect().bottom") + 12)
        page.screenshot(os.path.join(SCREENSHOTS, f"whip_{name}.png"))


def state(page, text, seconds=8):
    check(until(lambda: page.text("#state") == text, seconds, 0.05),
          f"the state is \"{page.text('#state')}\", not \"{text}\": {page.text('#error')}")


def plays(page):
    """Frames are shown, and go on."""
    clock = "return document.querySelector('video').currentTime"
    before = page.run(clock)
    time.sleep(1)
    check(page.run(clock) > before + 0.5, "the video stands still")


def open_publish(bench, server, fragment="", **choices):
    page = bench.page(f"{server.url}/publish.html{fragment}")
    for field, value in choices.items():
        page.choose(f"#{field}", value)
    page.click("#go")
    return page


@case
def pages(bench):
    """The pages: publish, watch, turn the sound on, the list, stop, and again"""
    server = bench.serve()
    streams = bench.page(server.url)
    check(until(lambda: streams.run("return !document.getElementById('none').hidden"), 3), "the list is not empty")
    publisher = open_publish(bench, server, codec="VP8")
    bench.page(f"{server.url}/watch.html?stream=evening")
    state(publisher, "live")
    link = publisher.run("return document.getElementById('watch').href")
    check(link == f"{server.url}/watch.html?stream=demo", f"the link to watch is {link}")
    viewer = bench.page(link)
    state(viewer, "live")
    plays(viewer)
    # No gesture yet: no sound.
    check(viewer.run("return document.querySelector('video').muted"), "there is sound without a gesture")
    viewer.click("#sound")
    check(not viewer.run("return document.querySelector('video').muted"), "the button does not turn the sound on")
    plays(viewer)
    began = time.monotonic()
    for page, selector, words in ((viewer, "#overlay", ["1280 × 720", "VP8"]), (publisher, "#figures", ["1280 × 720", "VP8"]),
                                  (streams, "#streams", ["demo", "VP8, opus, 1280 × 720", "1 watching", "evening", "waits for a publisher"])):
        check(until(lambda: all(word in page.text(selector) for word in words), 20), f"{selector} says {page.text(selector)}; {publisher.text('#figures')}")
    print(f"  the full size is there after {time.monotonic() - began:.1f} s")
    time.sleep(8 if SCREENSHOTS else 0)
    for page, name in ((streams, "streams"), (publisher, "publish"), (viewer, "watch")):
        picture(page, name)
    publisher.click("#go")
    state(publisher, "off")
    state(viewer, "waiting for the stream")
    publisher.click("#go")
    state(publisher, "live")
    state(viewer, "live")
    plays(viewer)
    streams.open(streams.run("return document.querySelector('#streams a').href"))
    state(streams, "live")
    viewer.click("#go")
    state(viewer, "off")


@case
def camera(bench):
    """The page publishes a camera, in three sizes of VP9"""
    server = bench.serve()
    publisher = bench.page(f"{server.url}/publish.html?stream=camera")
    publisher.choose("#source", "camera")
    publisher.choose("#codec", "VP9")
    publisher.click("#simulcast")
    publisher.click("#go")
    state(publisher, "live")
    viewer = bench.page(f"{server.url}/watch.html?stream=camera")
    state(viewer, "live")
    plays(viewer)
    check(until(lambda: "1280 × 720" in viewer.text("#overlay"), 15), f"the overlay says {viewer.text('#overlay')}")


@case
def server_returns(bench):
    """The pages go on by themselves when the server was gone"""
    port = str(free_tcp_port())
    server = bench.serve("--port", port)
    publisher = open_publish(bench, server)
    state(publisher, "live")
    viewer = bench.page(f"{server.url}/watch.html?stream=demo")
    state(viewer, "live")
    bench.stop_server()
    state(viewer, "reconnecting", 2)
    state(publisher, "reconnecting", 2)
    bench.serve("--port", port)
    back = time.monotonic()
    state(viewer, "live")
    print(f"  live {time.monotonic() - back:.1f} s after the server")
    state(publisher, "live")
    plays(viewer)


@case
def tokens(bench):
    """The pages take tokens from the fragment, and say what is refused"""
    path = os.path.join(bench.folder, "page-tokens")
    with open(path, "w") as file:
        file.write("demo let-me-publish let-me-watch\n")
    server = bench.serve("--tokens", path)
    publisher = open_publish(bench, server)
    check(until(lambda: "401" in publisher.text("#error"), 3), f"without a token: {publisher.text('#error')}")
    state(publisher, "off")
    publisher.type("#token", "let-me-publish")
    publisher.click("#go")
    state(publisher, "live")
    viewer = bench.page(f"{server.url}/watch.html?stream=demo#token=let-me-watch")
    state(viewer, "live")
    plays(viewer)
    streams = bench.page(server.url)
    check("demo" not in streams.text("#streams"), "the list names a stream that is not public")


main(lambda folder: Chromium(folder, [], (1000, 900)))
