"""Firefox publishes and watches."""

from checks import case, check, main
from firefox import Firefox
from server import until
from watching import flows, publish, sees, watch

# Firefox pairs loopback candidates with no others, and has none of its own.
ALL = ("--media-bind", "0.0.0.0")


def goes_through(bench, codec):
    server = bench.serve(*ALL)
    publisher, viewer = bench.page(), bench.page()
    publish(publisher, server.whip("demo"), codec=codec)
    watch(viewer, server.whep("demo"))
    sees(viewer)
    before, after = flows(viewer)
    check(after["video"]["codec"] == codec, f"the codec is {after['video']['codec']}")
    check(after["video"]["packetsLost"] == 0, f"{after['video']['packetsLost']} packets lost")
    check(after["audio"]["packetsReceived"] > before["audio"]["packetsReceived"] + 50, "hardly any sound arrives")
    check(after["audio"]["packetsLost"] == 0, f"{after['audio']['packetsLost']} packets of sound lost")


@case
def vp8(bench):
    """Firefox publishes and watches VP8"""
    goes_through(bench, "VP8")


@case
def vp9(bench):
    """Firefox publishes and watches VP9"""
    goes_through(bench, "VP9")


@case
def pages(bench):
    """The server's own pages in Firefox"""
    server = bench.serve(*ALL)
    publisher = bench.page(f"{server.url}/publish.html")
    publisher.click("#go")
    check(until(lambda: publisher.text("#state") == "live", 8), f"publishing: {publisher.text('#state')}")
    viewer = bench.page(f"{server.url}/watch.html?stream=demo")
    check(until(lambda: viewer.text("#state") == "live" and "1280 × 720" in viewer.text("#overlay"), 10),
          f"watching: {viewer.text('#state')}, {viewer.text('#overlay')}")
    publisher.click("#go")
    check(until(lambda: publisher.text("#state") == "off", 3), f"stopped: {publisher.text('#state')}")


@case
def loopback(bench):
    """Firefox is told why it cannot reach media at a loopback address"""
    server = bench.serve()
    page = bench.page(f"{server.url}/publish.html")
    page.click("#go")
    check(until(lambda: "--media-bind" in page.text("#error"), 12), f"it says: {page.text('#error')}")


main(Firefox)
