"""The report in a real browser: drawn, heard, followed, used by keyboard and on a phone."""

import hashlib
import signal
from contextlib import contextmanager

import pytest
from browser import Tab, chromium
from command_line import LONGEST_S, run, start
from tiny_outputs import RATE_HZ, TinyOutput, flac, reject_row, result_row

from latentsep.storage import open_store

pytestmark = [pytest.mark.integration, pytest.mark.timeout(LONGEST_S)]

EVIL = """<img src=x onerror=alert(1)><svg onload=alert(2)><script>alert(3)"'"""
MESSAGE = "</script><script>alert(4)</script></style><iframe src=javascript:alert(5)>"
SECONDS = 2
WAIT_MS = 1000 * LONGEST_S / 3
BEYOND_THE_EDGE = """
() => [...document.querySelectorAll('main, header, footer, table, svg, img, audio, p, dd, h1, h4')]
    .filter(e => !e.closest('.scroll') && e.getBoundingClientRect().right > innerWidth + 1)
    .map(e => e.outerHTML.slice(0, 80))
"""


@pytest.fixture(scope="module")
def browser():
    with chromium() as browser:
        yield browser


class Output(TinyOutput):
    """An output with sources and stems of two seconds."""

    def __init__(self, folder):
        super().__init__(open_store(str(folder)))
        self.sources = open_store(str(folder.parent / "music"))

    def finish(self, *track_ids, **changes):
        self.commit([self._row(track_id, **changes) for track_id in track_ids])

    def _row(self, track_id, **changes):
        stems = self.stems(track_id, frames=SECONDS * RATE_HZ)
        key = f"{hashlib.sha256(track_id.encode()).hexdigest()}.flac"
        self.sources.write(key, flac(track_id, SECONDS * RATE_HZ))
        values = {"uri": self.sources.uri_of(key), "duration_s": float(SECONDS), "bleed_db": -20.0}
        return result_row(track_id, **stems, **{**values, **changes})


def made_output(folder):
    """A finished output with names that want to be HTML, and long ones."""
    output = Output(folder)
    output.finish("first", EVIL, "long" + "name" * 40)
    output.commit(rejects=[reject_row("bad"), reject_row(EVIL + "2", message=MESSAGE)])
    output.tell("done", tracks=10, manifest="s3://bucket/" + "manifest" * 30)
    return output


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"


@pytest.fixture
def output(out):
    return made_output(out)


@pytest.fixture(scope="module")
def file_url(tmp_path_factory):
    """The finished page as a file; tests only look at it."""
    out = tmp_path_factory.mktemp("finished") / "out"
    made_output(out)
    code, _, errors = run("report", out)
    assert (code, errors) == (0, "")
    return (out / "report.html").as_uri()


@contextmanager
def served(out):
    """``latentsep report --serve`` at work: its process and URL; ended by Ctrl-C."""
    with start("report", out, "--serve", "--port", 0) as process:
        try:
            url = process.stdout.readline().split(" ")[0]
            assert url.startswith("http://127.0.0.1:"), process.communicate()
            yield process, url
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(LONGEST_S)


def players(tab):
    """``[id, readyState, duration, error]`` of each player, once all know their lengths."""
    tab.until("[...document.querySelectorAll('audio')].every(a => a.readyState >= 1 || a.error)")
    return tab.page.evaluate(
        "[...document.querySelectorAll('audio')]"
        ".map(a => [a.id, a.readyState, a.duration, a.error && a.error.message])"
    )


def tab_stops(page):
    """``id``, or text, of everything that Tab reaches, in its order."""
    stops = []
    for _ in range(500):
        page.keyboard.press("Tab")
        stop = page.evaluate(
            "document.activeElement === document.body ? null"
            " : document.activeElement.id || document.activeElement.textContent"
        )
        if stop is None:
            break
        if not stops or stops[-1] != stop:
            stops.append(stop)
    return stops


def test_a_finished_page_is_drawn_and_heard_from_a_file_alone(browser, file_url):
    with Tab(browser) as tab:
        page = tab.open(file_url)
        heard = players(tab)
        assert len(heard) == 9
        for name, _, duration_s, error in heard:
            assert error is None, name
            assert duration_s == pytest.approx(SECONDS, abs=0.2), name
        pictures = page.evaluate("[...document.images].map(i => [i.complete, i.naturalWidth])")
        assert len(pictures) == 9
        assert all(complete and width > 10 for complete, width in pictures)
        bars = page.evaluate(
            "[...document.querySelectorAll('#rejects-chart-title ~ rect, .bar')]"
            ".map(b => b.getBoundingClientRect().height)"
        )
        assert sum(height > 0 for height in bars) >= 5
        assert tab.complaints == []
        assert tab.requests == [file_url]


def test_sound_can_be_played(browser, file_url):
    with Tab(browser) as tab:
        page = tab.open(file_url)
        page.evaluate("document.querySelector('audio').play()")
        tab.until("document.querySelector('audio').currentTime > 0.2")
        assert tab.complaints == []


def test_html_in_a_track_id_shows_as_text_and_runs_nowhere(browser, file_url):
    with Tab(browser) as tab:
        page = tab.open(file_url)
        assert EVIL in page.locator("h4").all_inner_texts()
        assert MESSAGE in page.locator("td").all_inner_texts()
        assert page.locator("img[src=x], script, iframe, [onload]").count() == 0
        assert tab.complaints == []


def test_it_is_all_there_without_script(browser, file_url):
    with Tab(browser, script=False) as tab:
        page = tab.open(file_url)
        text = page.locator("main").inner_text()
        for heading in ("Summary", "Quality", "Tracks to hear", "Rejects", "Time", "What was run"):
            assert heading in text


@pytest.mark.parametrize("width", [320, 360])
def test_it_fits_a_phone(browser, file_url, width):
    with Tab(browser, width=width) as tab:
        page = tab.open(file_url)
        page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate(BEYOND_THE_EDGE) == []
        smallest_px = page.evaluate(
            "Math.min(...[...document.querySelectorAll('main *')].filter(e => e.innerText)"
            ".map(e => parseFloat(getComputedStyle(e).fontSize)))"
        )
        assert smallest_px >= 11


def test_everything_is_reached_by_keyboard_in_the_order_of_the_page(browser, file_url):
    with Tab(browser) as tab:
        page = tab.open(file_url)
        stops = tab_stops(page)
        assert stops[0] == "Skip to the report"
        wanted = page.evaluate(
            "[...document.querySelectorAll('nav a, summary, audio')]"
            ".filter(e => e.checkVisibility()).map(e => e.id)"
        )
        assert [stop for stop in stops if stop in set(wanted)] == wanted
        assert sum(name.startswith("audio-") for name in wanted) == 9


def test_details_open_and_the_skip_link_skips_by_keyboard(browser, file_url):
    with Tab(browser) as tab:
        page = tab.open(file_url)
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.getBoundingClientRect().top") >= 0
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.id") == "main"
        page.locator("#quality-table-summary").focus()
        page.keyboard.press("Enter")
        assert page.locator("#quality-table table").is_visible()
        style = "getComputedStyle(document.activeElement).outlineStyle"
        assert page.evaluate(style) == "solid"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_ground_in_both_schemes(browser, file_url, scheme):
    with Tab(browser) as tab:
        tab.page.emulate_media(color_scheme=scheme)
        page = tab.open(file_url)
        pairs = page.evaluate(
            "['.under', '.badge', 'a[id]', 'h2', 'td', 'summary', 'dt'].map(s => {"
            " let e = document.querySelector(s); const ink = getComputedStyle(e).color;"
            " const ground = () => getComputedStyle(e).backgroundColor;"
            " while (ground() === 'rgba(0, 0, 0, 0)') e = e.parentElement;"
            " return [s, ink, ground()]; })"
        )
        for name, ink, ground in pairs:
            assert contrast(ink, ground) >= 4.5, name


def contrast(one, other):
    """By WCAG 2, of two CSS ``rgb()`` colours."""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def luminance(colour):
    channels = [int(part) / 255 for part in colour.removeprefix("rgb(").rstrip(")").split(",")]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


class TestLive:
    def test_rows_appear_while_they_are_written(self, browser, output, out):
        with served(out) as (_, url), Tab(browser) as tab:
            page = tab.open(url)
            page.evaluate("window.isTheSamePage = true")
            tab.until_told("30.0% finished")
            players(tab)
            output.finish("later", EVIL + "3")
            tab.until_told("50.0% finished")
            page.wait_for_selector("h4 bdi:text-is('later')", timeout=WAIT_MS)
            tab.until("document.querySelectorAll('audio').length === 15")
            players(tab)
            assert EVIL + "3" in page.locator("h4").all_inner_texts()
            assert page.evaluate("window.isTheSamePage")
            assert page.title().startswith("70.0% done")
            assert tab.complaints == []
            assert all(asked.startswith(url) for asked in tab.requests)

    def test_an_update_keeps_focus_scroll_and_what_is_open(self, browser, output, out):
        with served(out) as (_, url), Tab(browser) as tab:
            page = tab.open(url)
            page.wait_for_selector("#quality-table-summary", timeout=WAIT_MS)
            page.locator("#quality-table-summary").click()
            page.locator(".group summary").first.click()
            page.locator("#quality-table-summary").focus()
            scrolled_px = page.evaluate("scrollY")
            marked = "document.querySelector('#quality').isOld = true"
            page.evaluate(marked)
            output.finish("later", bleed_db=-50.0)
            tab.until("!document.querySelector('#quality').isOld")
            assert page.evaluate("document.activeElement.id") == "quality-table-summary"
            assert page.evaluate("document.querySelector('#quality-table').open")
            assert not page.evaluate("document.querySelector('.group').open")
            assert scrolled_px > 0
            assert abs(page.evaluate("scrollY") - scrolled_px) < 5
            assert tab.complaints == []

    def test_an_update_waits_for_sound_that_plays_and_keeps_its_place(self, browser, output, out):
        with served(out) as (_, url), Tab(browser) as tab:
            page = tab.open(url)
            page.wait_for_selector("audio", timeout=WAIT_MS)
            page.evaluate(
                "async () => { const a = document.querySelector('audio');"
                " a.loop = true; a.isMine = true; await a.play(); }"
            )
            tab.until("document.querySelector('audio').currentTime > 0.1")
            output.finish("later")
            tab.until_told("40.0% finished")
            # Two more questions to the server, so that its answer about the tracks was there.
            for _ in range(3):
                page.wait_for_event("requestfinished", timeout=WAIT_MS)
            assert page.locator("h4 bdi:text-is('later')").count() == 0
            assert page.evaluate("!document.querySelector('audio').paused")
            page.evaluate("document.querySelector('audio').pause()")
            page.wait_for_selector("h4 bdi:text-is('later')", timeout=WAIT_MS)
            kept = "[...document.querySelectorAll('audio')].find(a => a.isMine).currentTime"
            assert page.evaluate(kept) > 0
            assert tab.complaints == []

    def test_a_damaged_part_is_one_line_and_the_rest_stays(self, browser, output, out):
        with served(out) as (_, url), Tab(browser) as tab:
            page = tab.open(url)
            tab.until_told("30.0% finished")
            (out / "results" / "part-00000002.parquet").write_bytes(b"no Parquet")
            page.wait_for_selector(".problems li", timeout=WAIT_MS)
            assert page.locator(".problems li").count() == 1
            assert "30.0% finished" in page.locator("main").inner_text()
            assert tab.complaints == []

    def test_it_is_told_when_the_server_is_gone_and_ctrl_c_ends_it(self, browser, output, out):
        with served(out) as (process, url), Tab(browser) as tab:
            page = tab.open(url)
            tab.until_told("30.0% finished")
            process.send_signal(signal.SIGINT)
            assert process.wait(LONGEST_S) == 75
            told = process.stderr.read().split("\n")
            assert [line for line in told if line] == [
                "Interrupted; run the same command again to go on."
            ]
            tab.until("document.querySelector('#connection').innerText.includes('gone')")
            assert "30.0% finished" in page.locator("main").inner_text()
