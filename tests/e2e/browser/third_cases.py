"""aiortc publishes and watches, with itself and with Chromium. It knows AES_CM_128_HMAC_SHA1_80 alone."""

import contextlib
import time

from checks import case, check, main
from chromium import Chromium
from server import until
from third import Peer
from watching import BLUE, GREEN, RED, css, flows, publish, same_colour, sees, watch


def peer_sees(peer, colour, seconds=8):
    check(until(lambda: same_colour(peer.colour, colour), seconds),
          f"aiortc sees no such picture: {peer.state()}, {peer.frames}, {peer.colour}")
    before = dict(peer.frames)
    time.sleep(2)
    after = dict(peer.frames)
    check(after["video"] - before["video"] >= 20, f"{after['video'] - before['video']} frames in 2 s")
    check(after["audio"] - before["audio"] >= 50, f"{after['audio'] - before['audio']} frames of sound in 2 s")
    check(peer.size == (320, 240), f"the size is {peer.size}")


@case
def itself(bench):
    """aiortc publishes VP8 and aiortc watches; DELETE ends both"""
    server = bench.serve()
    with contextlib.closing(Peer()) as publisher, contextlib.closing(Peer()) as viewer:
        publisher.publish(server.whip("demo"), BLUE, "VP8")
        viewer.watch(server.whep("demo"))
        peer_sees(viewer, BLUE)
        for peer in (viewer, publisher):
            check(peer.leave() == 200, "DELETE is refused")
            check(until(lambda: peer.state() == "closed", 3), f"aiortc is not told: {peer.state()}")


@case
def to_chromium(bench):
    """aiortc publishes H264 and Chromium, which was there before, watches"""
    server = bench.serve()
    viewer = bench.page()
    watch(viewer, server.whep("demo"))  # before: this encoder makes its first key frame, and none when it is asked
    with contextlib.closing(Peer()) as publisher:
        publisher.publish(server.whip("demo"), GREEN, "H264")
        seen = sees(viewer, colour=GREEN)
        check(seen["video"]["codec"] == "H264", f"the codec is {seen['video']['codec']}")
        flows(viewer)


@case
def from_chromium(bench):
    """Chromium publishes VP8 and aiortc watches"""
    server = bench.serve()
    publisher = bench.page()
    with contextlib.closing(Peer()) as viewer:
        publish(publisher, server.whip("demo"), codec="VP8", colour=css(RED))
        viewer.watch(server.whep("demo"))
        peer_sees(viewer, RED)


main(Chromium)
