"""A headless browser for tests of the page: skipped where there is none, but not on CI."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# No sandbox within a container; nothing that calls home.
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def installed() -> str:
    """Return the browser; skip where there is none, fail where there must be one."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is not None:
        return found
    if os.environ.get("CI", "").lower() in ("1", "true"):
        pytest.fail("no browser on CI: .ci/run installs chromium")
    pytest.skip("no browser is installed: apt-get install chromium")


@contextmanager
def opened() -> Iterator[Any]:
    """Start a browser with a profile of its own, and end it."""
    from playwright.sync_api import sync_playwright

    path = installed()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()


class Visit:
    """A page that is open: what it logged, and what it asked the network for."""

    def __init__(self, browser: Any, file: Path, *, width: int = 1280, scheme: str = "light") -> None:
        self.context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme, accept_downloads=True
        )
        self.page = self.context.new_page()
        self.logged: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", lambda message: self.logged.append(f"{message.type}: {message.text}"))
        self.page.on("pageerror", lambda error: self.logged.append(f"error: {error}"))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(file.as_uri())

    def draw_all(self) -> None:
        """Scroll through the page, as pictures are drawn when they come near."""
        self.page.evaluate(
            """async () => {
                for (let y = 0; y < document.documentElement.scrollHeight; y += 500) {
                    window.scrollTo({ top: y, behavior: "instant" });
                    await new Promise((done) => setTimeout(done, 30));
                }
            }"""
        )
        self.page.wait_for_function(
            "[...document.querySelectorAll('.plot')].every((one) => one.querySelector('svg, canvas'))"
        )

    def close(self) -> None:
        """Close the page."""
        self.context.close()
