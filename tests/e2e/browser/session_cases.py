"""The life of sessions: how they begin, change and end."""

import os
import time

from checks import case, check, main
from chromium import Chromium
from page import PageError
from server import until
from watching import BLUE, GREEN, RED, css, flows, frames, look, publish, sees, watch


def refused(page, function, url, **options):
    """The status and the text of the refusal that a POST is answered with; None if it is not."""
    try:
        page.run("await window[arguments[0]]('refused', arguments[1], arguments[2])", function, url, options)
    except PageError as error:
        return str(error)
    return None


@case
def viewer_first(bench):
    """A viewer waits for its publisher"""
    server = bench.serve()
    publisher, viewer = bench.page(), bench.page()
    watch(viewer, server.whep("demo"))
    check(frames(look(viewer)) == 0, "there are frames without a publisher")
    publish(publisher, server.whip("demo"))
    sees(viewer)
    flows(viewer)


@case
def trickle(bench):
    """Candidates come by PATCH, after an offer without any"""
    server = bench.serve()
    publisher, viewer = bench.page(), bench.page()
    for page, function, name, url in ((publisher, "publish", "publisher", server.whip("demo")),
                                      (viewer, "watch", "viewer", server.whep("demo"))):
        page.run("await window[arguments[0]](arguments[1], arguments[2], { early: true })", function, name, url)
        answer = page.run("return trickle(arguments[0])", name)
        check(answer["status"] == 204, f"{name}: PATCH is answered {answer}")
        check(answer["etag"] is None, f"{name}: the 204 has an ETag")
        page.run("await connected(sessions[arguments[0]].pc)", name)
    sees(viewer)


@case
def restart(bench):
    """ICE restarts by PATCH while media goes on, on both sides"""
    server = bench.serve()
    publisher, viewer = bench.page(), bench.page()
    publish(publisher, server.whip("demo"))
    watch(viewer, server.whep("demo"))
    sees(viewer)
    for page, name in ((publisher, "publisher"), (viewer, "viewer")):
        before = look(viewer)
        pair = page.run("return selected(arguments[0])", name)
        answer = page.run("return restart(arguments[0])", name)
        check(answer["changed"], f"{name}: the ETag is the same")
        check("a=ice-lite" in answer["body"] and "a=candidate:" in answer["body"],
              f"{name}: the answer lacks ice-lite or candidates: {answer['body']}")
        check(until(lambda: page.run("return selected(arguments[0])", name) not in (pair, None), 5),
              f"{name}: the new credentials are never used")
        flows(viewer, seconds=2)
        after = look(viewer)
        check(after["video"]["packetsLost"] == before["video"]["packetsLost"], f"{name}: packets are lost")
        answer = page.run("return patch(arguments[0])", name)
        check(answer["status"] == 204, f"{name}: a PATCH with the new ETag is answered {answer}")
        answer = page.run("return patch(arguments[0], '\"old\"')", name)
        check(answer["status"] == 412, f"{name}: a PATCH with another ETag is answered {answer}")


@case
def cors(bench):
    """A page of a foreign origin is kept out, unless its origin is allowed"""
    server = bench.serve()
    foreign = bench.page(bench.pages.url("foreign.test"))
    answer = refused(foreign, "watch", server.whep("demo"))
    check(answer and "Failed to fetch" in answer, f"the foreign page is answered {answer}")
    watch(bench.page(bench.pages.url("localhost")), server.whep("demo"))  # which is no foreigner
    bench.stop_server()
    server = bench.serve("--allow-origin", f"http://foreign.test:{bench.pages.port}")
    watch(foreign, server.whep("demo"))


@case
def delete(bench):
    """DELETE ends a session, and its client is told by DTLS"""
    server = bench.serve()
    publisher, viewer = bench.page(), bench.page()
    publish(publisher, server.whip("demo"))
    watch(viewer, server.whep("demo"))
    sees(viewer)
    for page, name in ((viewer, "viewer"), (publisher, "publisher")):
        status = page.run("return leave(arguments[0])", name)
        check(status == 200, f"{name}: DELETE is answered {status}")
        check(until(lambda: look(page, name)["transport"] == "closed", 2),
              f"{name} is not told: {look(page, name)['transport']}")
        status = page.run("return leave(arguments[0])", name)
        check(status == 404, f"{name}: DELETE of what is gone is answered {status}")


@case
def goodbye(bench):
    """A server that ends tells both sides"""
    server = bench.serve()
    publisher, viewer = bench.page(), bench.page()
    publish(publisher, server.whip("demo"))
    watch(viewer, server.whep("demo"))
    sees(viewer)
    bench.stop_server()
    for page, name in ((viewer, "viewer"), (publisher, "publisher")):
        check(until(lambda: look(page, name)["transport"] == "closed", 2),
              f"{name} is not told: {look(page, name)['transport']}")


def returns(bench, how, codecs=("VP8", "VP8")):
    """A publisher goes, another one comes: the viewer keeps its session, and sees."""
    server = bench.serve()
    first, second, viewer = bench.page(), bench.page(), bench.page()
    publish(first, server.whip("demo"), codec=codecs[0])
    watch(viewer, server.whep("demo"))
    before = sees(viewer, colour=RED)
    if how == "leaves":
        first.run("await leave('publisher')")
    elif how == "vanishes":
        first.run("drop('publisher')")
        time.sleep(2.5)  # an open server gives the stream to another after 2 s
    publish(second, server.whip("demo"), colour=css(GREEN), codec=codecs[1])
    after = sees(viewer, colour=GREEN)
    check(after["video"]["codec"] == codecs[1], f"the codec is {after['video']['codec']}")
    check(after["video"]["ssrc"] == before["video"]["ssrc"], "the SSRC is another one")
    check(after["video"]["packetsLost"] == 0, f"{after['video']['packetsLost']} packets lost")
    check(after["state"] == "connected", f"the viewer is {after['state']}")
    flows(viewer)
    check(look(viewer)["audio"]["packetsReceived"] > after["audio"]["packetsReceived"] + 50, "the sound stops")


@case
def publisher_returns(bench):
    """A publisher leaves and another comes; viewers keep watching"""
    returns(bench, "leaves")


@case
def publisher_vanishes(bench):
    """A publisher vanishes without a word and another comes; viewers keep watching"""
    returns(bench, "vanishes")


@case
def other_codec(bench):
    """The publisher that comes back has another codec"""
    returns(bench, "leaves", ("VP8", "H264"))


@case
def conflict(bench):
    """An open server refuses a second publisher with 409 while the first one sends"""
    server = bench.serve()
    first, second = bench.page(), bench.page()
    publish(first, server.whip("demo"))
    time.sleep(1)
    answer = refused(second, "publish", server.whip("demo"))
    check(answer and "POST: 409" in answer, f"the second publisher is answered {answer}")


@case
def tokens(bench):
    """Tokens: 401 without, to a session too; the publisher's takes over; SIGHUP reads them again"""
    path = os.path.join(bench.folder, "tokens")
    with open(path, "w") as file:
        file.write("secret let-me-publish let-me-watch\nopen let-me-publish-too -\n")
    server = bench.serve("--tokens", path)
    publisher, viewer = bench.page(), bench.page()
    for function, url, token in (("publish", server.whip("secret"), None), ("publish", server.whip("secret"), "let-me-watch"),
                                 ("publish", server.whip("open"), None), ("publish", server.whip("nobody"), "let-me-publish"),
                                 ("watch", server.whep("secret"), None), ("watch", server.whep("secret"), "wrong")):
        answer = refused(publisher, function, url, **({"token": token} if token else {}))
        check(answer and "POST: 401" in answer, f"{function} {url} with {token} is answered {answer}")
    publish(publisher, server.whip("secret"), token="let-me-publish")
    watch(viewer, server.whep("secret"), token="let-me-watch")
    sees(viewer, colour=RED)
    status = viewer.run("return (await fetch(sessions.viewer.url, { method: 'DELETE' })).status")
    check(status == 401, f"DELETE without a token is answered {status}")
    publish(publisher, server.whip("secret"), name="second", token="let-me-publish", colour=css(BLUE))
    sees(viewer, colour=BLUE)
    # The endpoints whose token names the stream.
    watch(viewer, server.whep("endpoint"), name="by token", token="let-me-watch")
    sees(viewer, name="by token", colour=BLUE)
    with open(path, "w") as file:
        file.write("secret let-me-publish another\n")
    server.hangup()
    check(until(lambda: "POST: 401" in (refused(viewer, "watch", server.whep("secret"), token="let-me-watch") or ""), 3),
          "the old token is still good")
    watch(viewer, server.whep("secret"), name="new token", token="another")
    sees(viewer, name="new token", colour=BLUE)


main(Chromium)
