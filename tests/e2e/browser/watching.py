"""What a viewer is to see, as its page's statistics tell it."""

import time

from checks import check
from server import until

RED, GREEN, BLUE = (200, 40, 40), (40, 160, 60), (40, 60, 200)


def css(colour):
    return "rgb(%d, %d, %d)" % colour


def look(page, name="viewer"):
    return page.run("return look(arguments[0])", name)


def publish(page, url, name="publisher", **options):
    page.run("await publish(...arguments)", name, url, options)


def watch(page, url, name="viewer", **options):
    page.run("await watch(...arguments)", name, url, options)


def same_colour(seen, colour):
    return seen is not None and all(abs(a - b) < 40 for a, b in zip(seen, colour))


def frames(seen):
    return seen.get("video", {}).get("framesDecoded", 0)


def sees(page, name="viewer", colour=RED, seconds=8):
    """Until a picture of that colour is there."""
    seen = {}

    def there():
        seen.update(look(page, name))
        return frames(seen) > 0 and same_colour(seen.get("colour"), colour)

    check(until(there, seconds), f"{name} sees no such picture in {seconds} s: {brief(seen)}")
    return seen


def brief(seen):
    video = seen.get("video", {})
    keys = ("codec", "packetsReceived", "packetsLost", "framesReceived", "framesDecoded", "framesDropped", "pliCount",
            "nackCount", "freezeCount", "frameWidth")
    facts = {key: video.get(key) for key in keys if key in video}
    return f"{seen.get('state')}, colour {seen.get('colour')}, video {facts}"


def flows(page, name="viewer", seconds=3.0, least=10, losing=False):
    """For that time frames come, at least so many a second; nothing is lost or frozen meanwhile."""
    before = look(page, name)
    time.sleep(seconds)
    after = look(page, name)
    rate = (frames(after) - frames(before)) / seconds
    check(rate >= least, f"{name}: {rate:.1f} frames a second: {brief(after)}")
    for kind in ("packetsLost", "freezeCount"):
        if not losing:
            grown = after["video"].get(kind, 0) - before["video"].get(kind, 0)
            check(grown == 0, f"{name}: {kind} has grown by {grown}: {brief(after)}")
    return before, after
