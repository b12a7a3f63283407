"""Three sizes from one publisher: viewers get the largest that flows."""

from checks import case, check, main
from chromium import Chromium
from server import until
from watching import brief, flows, look, publish, sees, watch

ENCODINGS = [{"rid": "q", "scaleResolutionDownBy": 4, "maxBitrate": 100000},
             {"rid": "h", "scaleResolutionDownBy": 2, "maxBitrate": 250000},
             {"rid": "f", "maxBitrate": 700000}]
WIDTH = 960  # with less Chromium makes fewer sizes


def grows(viewer, width, seconds):
    check(until(lambda: look(viewer).get("width") == width, seconds),
          f"no width of {width} in {seconds} s: {brief(look(viewer))}")


def layers(bench, codec):
    server = bench.serve()
    publisher, viewer = bench.page(), bench.page()
    mode = {"scalabilityMode": "L1T1"} if codec in ("VP9", "AV1") else {}  # else Chromium sends one stream alone
    publish(publisher, server.whip("demo"), codec=codec, width=WIDTH, height=540, fps=15,
            encodings=[{**one, **mode} for one in ENCODINGS])
    watch(viewer, server.whep("demo"))
    sees(viewer)
    grows(viewer, WIDTH, 15)
    flows(viewer, seconds=2)
    for active, width in (([True, True, False], WIDTH / 2), ([True, False, False], WIDTH / 4)):
        viewer_clock = viewer.run("return performance.now()")
        publisher.run("await activate('publisher', arguments[0])", active)
        change = until(lambda: viewer.run("return change('viewer', ...arguments)", viewer_clock, width), 5)
        check(change, f"{active}: no width of {width}: {brief(look(viewer))}")
        print(f"  {codec}: the width is {width:.0f} after {change['took']:.2f} s, "
              f"at most {change['wait']:.2f} s without a frame")
        check(change["took"] < 1.2, f"{active}: the width is {width} only after {change['took']:.2f} s")
        flows(viewer, seconds=2, losing=True)  # the wait may be counted as a freeze only now
    publisher.run("await activate('publisher', [true, true, true])")
    grows(viewer, WIDTH, 15)
    _, after = flows(viewer, seconds=2)
    check(after["video"]["packetsLost"] == 0, f"{after['video']['packetsLost']} packets lost")
    late = bench.page()
    watch(late, server.whep("demo"))
    sees(late)
    check(look(late)["width"] == WIDTH, "a late viewer does not begin with the largest")


@case
def vp8(bench):
    """VP8 in three sizes; the largest stops and comes back"""
    layers(bench, "VP8")


@case
def h264(bench):
    """H264 in three sizes; the largest stops and comes back"""
    layers(bench, "H264")


@case
def vp9(bench):
    """VP9 in three sizes; the largest stops and comes back"""
    layers(bench, "VP9")


@case
def av1(bench):
    """AV1 in three sizes; the largest stops and comes back"""
    layers(bench, "AV1")


main(Chromium)
