import pytest
from report_outputs import SETTINGS, new_output, sounding_row
from tiny_outputs import reject_row

from latentsep.catalogue.forget import forget
from latentsep.catalogue.lease import Holder
from latentsep.catalogue.ledger import FORGOTTEN, Ledger
from latentsep.errors import LedgerError, StoreError
from latentsep.report.publish import publish
from latentsep.report.read import read_report


@pytest.fixture
def output(tmp_path):
    output = new_output(tmp_path)
    output.commit([sounding_row(output, tmp_path, name) for name in "ab"], [reject_row("bad")])
    return output


@pytest.fixture
def page(tmp_path):
    return tmp_path / "out/report.html"


def report_of(output):
    return read_report(output.store, SETTINGS, out="out")


def test_the_page_lies_in_the_output(output, page):
    assert publish(output.store, report_of(output)) == page.as_uri()
    assert page.read_text().startswith("<!doctype html>")
    assert "data:audio/ogg" in page.read_text()


@pytest.mark.parametrize("track_id", ["a", "bad", "unknown"])
def test_forgetting_any_track_removes_the_page(output, page, track_id):
    publish(output.store, report_of(output))
    forget(output.store, [track_id], Holder.of_this_process())
    assert not page.exists()


@pytest.mark.parametrize("track_id", ["a", "bad"])
def test_a_page_of_a_track_that_is_taken_down_meanwhile_does_not_stay(output, page, track_id):
    report = report_of(output)
    Ledger(output.store, "other").withdraw([track_id], FORGOTTEN)
    with pytest.raises(StoreError, match="taken down while it was made"):
        publish(output.store, report)
    assert not page.exists()


def test_the_page_stays_when_a_track_that_is_not_on_it_is_taken_down_meanwhile(output, page):
    report = report_of(output)
    Ledger(output.store, "other").withdraw(["unknown"], FORGOTTEN)
    publish(output.store, report)
    assert page.exists()


def test_without_a_readable_record_of_what_was_taken_down_there_is_no_page(output, page, tmp_path):
    report = report_of(output)
    output.ledger.withdraw(["unknown"], FORGOTTEN)
    (tmp_path / "out/withdrawn/part-00000001.parquet").write_bytes(b"no Parquet")
    with pytest.raises(LedgerError):
        publish(output.store, report)
    assert not page.exists()
