"""Each codec from Chromium to Chromium."""

from checks import case, check, main
from chromium import Chromium
from watching import flows, publish, sees, watch


def goes_through(bench, codec):
    server = bench.serve()
    publisher, viewer = bench.page(), bench.page()
    publish(publisher, server.whip("demo"), codec=codec)
    watch(viewer, server.whep("demo"))
    first = sees(viewer)
    before, after = flows(viewer)
    check(after["video"]["codec"] == codec, f"the codec is {after['video']['codec']}")
    check((after["width"], after["height"]) == (320, 240), f"the size is {after['width']} x {after['height']}")
    check(after["video"]["packetsLost"] == 0, f"{after['video']['packetsLost']} packets lost")
    check(len({track["stream"] for track in first["tracks"]}) == 1, "the tracks are of different streams")
    sound = after.get("audio", {})
    check(sound.get("codec") == "opus", f"the sound is {sound.get('codec')}")
    check(sound["packetsReceived"] > before["audio"]["packetsReceived"] + 100, "hardly any sound arrives")
    check(sound.get("totalAudioEnergy", 0) > before["audio"].get("totalAudioEnergy", 0), "the sound is silent")
    check(sound["packetsLost"] == 0, f"{sound['packetsLost']} packets of sound lost")


@case
def vp8(bench):
    """VP8 and opus, published and watched"""
    goes_through(bench, "VP8")


@case
def h264(bench):
    """H264 and opus, published and watched"""
    goes_through(bench, "H264")


@case
def vp9(bench):
    """VP9 and opus, published and watched"""
    goes_through(bench, "VP9")


@case
def av1(bench):
    """AV1 and opus, published and watched"""
    goes_through(bench, "AV1")


main(Chromium)
