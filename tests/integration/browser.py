"""Debian's headless Chromium, and all that it complains of or asks for."""

import json
import time
from contextlib import contextmanager

from command_line import LONGEST_S, need
from playwright.sync_api import sync_playwright

PROGRAM = "chromium-headless-shell"


@contextmanager
def chromium():
    """A browser that plays sound without being clicked first."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=need(PROGRAM),
            # Root has no sandbox.
            args=["--no-sandbox", "--autoplay-policy=no-user-gesture-required"],
        )
        yield browser
        browser.close()


class Tab:
    """One page of the browser.

    Attributes:
        page: Playwright's.
        complaints: errors and warnings of the console, uncaught errors, dialogs.
        requests: URLs that were asked for, those of data inside the page left out.
    """

    def __init__(self, browser, *, width=1200, script=True):
        viewport = {"width": width, "height": 800}
        self._context = browser.new_context(viewport=viewport, java_script_enabled=script)
        self.page = self._context.new_page()
        self.complaints, self.requests = [], []
        self.page.on("console", self._heard)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", self._dismissed)
        self.page.on("request", self._asked)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._context.close()

    def open(self, url):
        """Go there, and wait for all that the page loads."""
        self.page.goto(url, wait_until="load")
        return self.page

    def until(self, condition):
        """Ask until an expression is true. Playwright's own way needs ``eval``, which we forbid."""
        deadline_s = time.monotonic() + LONGEST_S / 3
        while not self.page.evaluate(condition):
            assert time.monotonic() < deadline_s, f"{condition} did not come true in time"
            self.page.wait_for_timeout(50)

    def until_told(self, text):
        """Wait until the page has a text."""
        self.until(f"document.body.innerText.includes({json.dumps(text)})")

    def _heard(self, message):
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def _dismissed(self, dialog):
        self.complaints.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def _asked(self, request):
        if not request.url.startswith("data:"):
            self.requests.append(request.url)
