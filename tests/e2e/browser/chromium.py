"""Chromium, headless, by WebDriver."""

import os

from page import Page
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select

# All windows count as seen: what is in the background is slowed down by browsers.
FLAGS = """--headless=new --no-sandbox --disable-gpu --disable-dev-shm-usage --disable-quic --no-first-run
    --disable-background-networking --disable-component-update --disable-sync
    --disable-background-timer-throttling --disable-backgrounding-occluded-windows
    --disable-renderer-backgrounding --use-fake-device-for-media-stream --use-fake-ui-for-media-stream
    --force-color-profile=srgb --hide-scrollbars""".split()
# Nobody else is asked for anything; one name is for pages of a foreign origin.
HOSTS = "MAP foreign.test 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE ::1, EXCLUDE localhost"

# Sound without a gesture.
AUTOPLAY = "--autoplay-policy=no-user-gesture-required"


class Window(Page):
    def __init__(self, driver, handle):
        self.driver = driver
        self.handle = handle

    def front(self):
        if self.driver.current_window_handle != self.handle:
            self.driver.switch_to.window(self.handle)
        return self.driver

    def call(self, function, text):
        return self.front().execute_async_script(
            f"({function})(arguments[0]).then(arguments[1])", text)

    def find(self, selector):
        return self.front().find_element(By.CSS_SELECTOR, selector)

    def open(self, url):
        self.front().get(url)

    def click(self, selector):
        self.find(selector).click()

    def choose(self, selector, value):
        Select(self.find(selector)).select_by_value(value)

    def type(self, selector, text):
        field = self.find(selector)
        field.clear()
        field.send_keys(text)

    def resize(self, width, height):
        """Of what is shown, without the window's frame."""
        frame = self.run("return [outerWidth - innerWidth, outerHeight - innerHeight]")
        self.front().set_window_size(round(width + frame[0]), round(height + frame[1]))

    def screenshot(self, path):
        self.front().save_screenshot(path)

    def close(self):
        self.front().close()
        self.driver.switch_to.window(self.driver.window_handles[0])


class Chromium:
    """All pages are windows of one browser; its profile is in the folder given, which the caller removes."""

    def __init__(self, folder, flags=(AUTOPLAY,), size=(1000, 800)):
        options = webdriver.ChromeOptions()
        options.binary_location = "/usr/bin/chromium"
        profile = os.path.join(folder, "chromium")
        sized = f"--window-size={size[0]},{size[1]}"
        for flag in [*FLAGS, f"--host-resolver-rules={HOSTS}", f"--user-data-dir={profile}", sized, *flags]:
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        service = Service("/usr/bin/chromedriver", log_path=os.path.join(folder, "chromedriver.err"))
        self.driver = webdriver.Chrome(service=service, options=options)
        self.driver.set_script_timeout(30)
        self.driver.set_page_load_timeout(20)
        self.size = size

    def page(self, url):
        self.driver.switch_to.window(self.driver.window_handles[0])
        self.driver.switch_to.new_window("window")
        self.driver.set_window_size(*self.size)
        page = Window(self.driver, self.driver.current_window_handle)
        page.open(url)
        return page

    def log(self):
        """What pages wrote to the console, of the window in front."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def quit(self):
        self.driver.quit()
