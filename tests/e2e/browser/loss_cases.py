"""A way that loses packets, in both directions, of publisher and viewer."""

from checks import case, check, main
from chromium import Chromium
from server import Relay, free_port
from watching import brief, flows, look, publish, sees, watch


def survives(bench, codec, seed):
    port = free_port()
    relay = Relay(port, loss=0.05, seed=seed)
    try:
        server = bench.serve("--media-port", str(port), "--advertise", f"127.0.0.1:{relay.port}")
        publisher, viewer = bench.page(), bench.page()
        publish(publisher, server.whip("demo"), codec=codec, rate=600000)
        watch(viewer, server.whep("demo"))
        sees(viewer)
        before, after = flows(viewer, seconds=8, losing=True)
        sent = look(publisher, "publisher")["sent"][0]
        video = after["video"]
        print(f"  {relay.lost} of {relay.lost + relay.passed} datagrams lost; viewer: {brief(after)}, "
              f"{video.get('retransmittedPacketsReceived')} repeated; publisher: {sent['nackCount']} NACKs, "
              f"{sent['retransmittedPacketsSent']} repeated")
        check(relay.lost > 20, f"only {relay.lost} datagrams are lost")
        check(video["nackCount"] > 0, "the viewer never asked for a packet")
        check(video.get("retransmittedPacketsReceived", 0) > 0, "nothing was repeated for the viewer")
        check(sent["nackCount"] > 0 and sent["retransmittedPacketsSent"] > 0, "nothing was repeated by the publisher")
        frozen = video["totalFreezesDuration"] - before["video"]["totalFreezesDuration"]
        check(frozen < 1, f"frozen for {frozen:.1f} of 8 s")
        keys = video["keyFramesDecoded"] - before["video"]["keyFramesDecoded"]
        check(keys <= 3, f"{keys} key frames in 8 s: packets are not repaired but begun anew")
    finally:
        bench.clear()
        relay.stop()


@case
def vp8(bench):
    """5 % of the packets of VP8 are lost, and repaired"""
    survives(bench, "VP8", 1)


@case
def h264(bench):
    """5 % of the packets of H264 are lost, and repaired"""
    survives(bench, "H264", 2)


main(Chromium)
