"""Ways to the server: addresses, ports, backends, TLS."""

from checks import case, check, main
from chromium import AUTOPLAY, Chromium
from watching import flows, publish, sees, watch


def goes_through(bench, *flags):
    server = bench.serve(*flags)
    publisher, viewer = bench.page(), bench.page()
    publish(publisher, server.whip("demo"), codec="VP8")
    watch(viewer, server.whep("demo"))
    sees(viewer)
    flows(viewer, seconds=2)
    return publisher.run("return sessions.publisher.answer"), viewer.run("return sessions.viewer.answer")


@case
def loopback6(bench):
    """Over IPv6's loopback"""
    for answer in goes_through(bench, "--bind", "::1"):
        check(" ::1 " in answer and " 127.0.0.1 " not in answer, f"candidates are others: {answer}")


@case
def all_addresses(bench):
    """Bound to all addresses, of both families"""
    for answer in goes_through(bench, "--bind", "::", "--open"):
        lines = [line for line in answer.splitlines() if line.startswith("a=candidate:")]
        check(len(lines) >= 2, f"candidates are {lines}")


@case
def ports(bench):
    """Each worker with a port of its own"""
    goes_through(bench, "--media-port-each", "--workers", "2")


@case
def epoll(bench):
    """Without io_uring"""
    goes_through(bench, "--io", "epoll")


@case
def tls(bench):
    """Over TLS, with a certificate of the server's own"""
    goes_through(bench, "--tls-self-signed")


main(lambda folder: Chromium(folder, [AUTOPLAY, "--ignore-certificate-errors"]))
