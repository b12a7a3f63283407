"""aiortc as publisher and as viewer: a stack that is no browser's. Its loop has a thread of its own."""

import asyncio
import threading
import urllib.request

from aiortc import RTCPeerConnection, RTCRtpSender, RTCSessionDescription
from aiortc.mediastreams import AudioStreamTrack, MediaStreamError, VideoStreamTrack
from av import VideoFrame

import numpy


class Plane(VideoStreamTrack):
    """Pictures of one colour."""

    def __init__(self, colour, width=320, height=240):
        super().__init__()
        self.pixels = numpy.full((height, width, 3), colour, numpy.uint8)

    async def recv(self):
        frame = VideoFrame.from_ndarray(self.pixels, format="rgb24")
        frame.pts, frame.time_base = await self.next_timestamp()
        return frame


class Peer:
    """A session. What a viewer has seen: how many frames of each kind, and the last picture's middle."""

    def __init__(self):
        self.frames = {"audio": 0, "video": 0}
        self.colour = self.size = self.url = None
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        self.pc = self.wait(self.make())

    async def make(self):
        return RTCPeerConnection()

    def wait(self, what):
        return asyncio.run_coroutine_threadsafe(what, self.loop).result(20)

    async def post(self, url):
        await self.pc.setLocalDescription(await self.pc.createOffer())
        request = urllib.request.Request(url, self.pc.localDescription.sdp.encode(), {"Content-Type": "application/sdp"})
        with urllib.request.urlopen(request, timeout=5) as response:
            self.url = urllib.request.urljoin(url, response.headers["Location"])
            answer = response.read().decode()
        await self.pc.setRemoteDescription(RTCSessionDescription(answer, "answer"))

    def publish(self, url, colour, codec):
        async def go():
            for track in (Plane(colour), AudioStreamTrack()):
                transceiver = self.pc.addTransceiver(track, direction="sendonly")
                if track.kind == "video":
                    all_of_them = RTCRtpSender.getCapabilities("video").codecs
                    transceiver.setCodecPreferences(
                        [one for one in all_of_them if one.mimeType in (f"video/{codec}", "video/rtx")])
            await self.post(url)
        self.wait(go())

    def watch(self, url):
        async def consume(track):
            while True:
                try:
                    frame = await track.recv()
                except MediaStreamError:
                    return
                self.frames[track.kind] += 1
                if track.kind == "video":
                    pixels = frame.to_ndarray(format="rgb24")
                    self.size = (frame.width, frame.height)
                    self.colour = [int(one) for one in pixels[frame.height // 3, frame.width // 2]]

        async def go():
            self.pc.on("track", lambda track: asyncio.ensure_future(consume(track)))
            for kind in ("video", "audio"):
                self.pc.addTransceiver(kind, direction="recvonly")
            await self.post(url)
        self.wait(go())

    def state(self):
        """Of DTLS, where a goodbye is heard."""
        return self.pc.getTransceivers()[0].receiver.transport.state

    def leave(self):
        with urllib.request.urlopen(urllib.request.Request(self.url, method="DELETE"), timeout=5) as response:
            return response.status

    def close(self):
        self.wait(self.pc.close())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
