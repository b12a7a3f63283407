"""Firefox publishes and watches."""

from checks import case, check, main
from firefox import Firefox
from watching import flows, publish, sees, watch


def goes_through(bench, codec):
    # Firefox pairs no loopback candidate with any other, so it needs a server at an address of an interface.
    server = bench.serve("--bind", "192.0.2.1", "--open")
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


main(Firefox)
