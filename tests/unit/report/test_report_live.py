import threading

import pytest
from report_documents import report

from latentsep.errors import StoreError
from latentsep.report.live import LivePage


def failing():
    raise StoreError("the store is\ndown <now>")


def test_the_page_says_that_it_is_being_read_before_the_first_reading():
    page = LivePage([report], "/music/<out>")
    assert "being read" in page.parts["head"].html
    assert "/music/&lt;out&gt;" in page.html


def test_a_reading_exchanges_the_parts():
    page = LivePage([report], "/music/out")
    page.refresh()
    assert "85.0% finished" in page.parts["summary"].html


def test_the_quick_reading_is_shown_before_the_thorough_one():
    seen = []

    def thorough():
        seen.append(page.parts["summary"].html)
        return report(rejected=2)

    page = LivePage([report, thorough], "/music/out")
    page.refresh()
    assert "15.0% rejected" in seen[0]
    assert "10.0% rejected" in page.parts["summary"].html


def test_a_part_that_did_not_change_keeps_its_digest():
    reports = iter([report(), report(rejected=2)])
    page = LivePage([lambda: next(reports)], "/music/out")
    page.refresh()
    before = page.parts
    page.refresh()
    changed = {name for name in before if before[name].digest != page.parts[name].digest}
    assert changed == {"head", "summary"}


def test_an_error_is_one_line_and_the_rest_stays():
    readings = iter([report, failing, report])
    page = LivePage([lambda: next(readings)()], "/music/out")
    page.refresh()
    page.refresh()
    assert r"the store is\ndown &lt;now&gt;" in page.parts["problems"].html
    assert "85.0% finished" in page.parts["summary"].html
    page.refresh()
    assert page.parts["problems"].html == ""


@pytest.mark.timeout(60)
def test_it_is_read_again_and_again_until_it_is_closed():
    readings = threading.Semaphore(0)

    def read():
        readings.release()
        return report()

    with LivePage([read], "/music/out", pause_s=0.0) as page:
        for _ in range(3):
            assert readings.acquire(timeout=50)
    page._thread.join(50)
    assert not page._thread.is_alive()
