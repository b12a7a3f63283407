"""Firefox, headless, by WebDriver BiDi: its own port, no driver program between."""

import asyncio
import base64
import json
import os
import re
import subprocess
import time

import websockets
from page import Page

PREFERENCES = {
    "media.navigator.streams.fake": True,
    "media.navigator.permission.disabled": True,
    "media.peerconnection.ice.obfuscate_host_addresses": False,
    "media.autoplay.default": 0,
    "app.update.enabled": False,
    "browser.shell.checkDefaultBrowser": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "network.captive-portal-service.enabled": False,
    "toolkit.telemetry.enabled": False,
}


class Tab(Page):
    def __init__(self, browser, context):
        self.browser = browser
        self.context = context

    def open(self, url):
        self.browser.command("browsingContext.navigate", context=self.context, url=url, wait="complete")

    def call(self, function, text):
        answer = self.browser.command(
            "script.callFunction", functionDeclaration=function, awaitPromise=True, userActivation=True,
            target={"context": self.context}, arguments=[{"type": "string", "value": text}])
        if answer["type"] != "success":
            raise RuntimeError(answer["exceptionDetails"]["text"])
        return answer["result"]["value"]

    def click(self, selector):
        x, y = self.run("""const box = document.querySelector(arguments[0]).getBoundingClientRect();
            return [Math.round(box.x + box.width / 2), Math.round(box.y + box.height / 2)]""", selector)
        actions = [{"type": "pointerMove", "x": x, "y": y}, {"type": "pointerDown", "button": 0},
                   {"type": "pointerUp", "button": 0}]
        self.browser.command("input.performActions", context=self.context,
                             actions=[{"type": "pointer", "id": "mouse", "actions": actions}])

    def screenshot(self, path):
        data = self.browser.command("browsingContext.captureScreenshot", context=self.context)["data"]
        with open(path, "wb") as file:
            file.write(base64.b64decode(data))

    def close(self):
        self.browser.command("browsingContext.close", context=self.context)


class Firefox:
    """All pages are windows of one browser; its profile is in the folder given, which the caller removes."""

    def __init__(self, folder):
        profile = os.path.join(folder, "firefox")
        os.mkdir(profile)
        with open(os.path.join(profile, "user.js"), "w") as file:
            for name, value in PREFERENCES.items():
                file.write(f"user_pref({json.dumps(name)}, {json.dumps(value)});\n")
        log = os.path.join(folder, "firefox.err")
        with open(log, "w") as file:
            self.process = subprocess.Popen(
                ["firefox-esr", "--headless", "--no-remote", "--profile", profile,
                 "--remote-debugging-port=0"], stdout=file, stderr=file, stdin=subprocess.DEVNULL)
        self.loop = asyncio.new_event_loop()
        asyncio.set_event_loop(self.loop)
        self.number = 0
        self.socket = self.wait(websockets.connect(self.address(log) + "/session", ping_interval=None,
                                                   max_size=None))
        self.command("session.new", capabilities={})

    def address(self, log):
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and self.process.poll() is None:
            with open(log) as file:
                found = re.search(r"WebDriver BiDi listening on (ws://\S+)", file.read())
            if found:
                return found[1]
            time.sleep(0.05)
        raise RuntimeError("Firefox does not listen")

    def wait(self, what):
        return self.loop.run_until_complete(asyncio.wait_for(what, 40))

    def command(self, method, **params):
        self.number += 1
        self.wait(self.socket.send(json.dumps({"id": self.number, "method": method, "params": params})))
        while True:
            answer = json.loads(self.wait(self.socket.recv()))
            if answer.get("id") == self.number:
                if answer["type"] == "error":
                    raise RuntimeError(f"{method}: {answer['message']}")
                return answer["result"]

    def page(self, url):
        tab = Tab(self, self.command("browsingContext.create", type="window")["context"])
        tab.open(url)
        return tab

    def quit(self):
        self.wait(self.socket.close())
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
