import logging

import pytest
from catalogue import result_rows, write_manifest
from fake_engine import FakeEngine

from latentsep.errors import ClusterError
from latentsep.pipeline import job_report
from latentsep.pipeline.job import JobRequest, run_job
from latentsep.pipeline.job_config import JobConfig
from latentsep.pipeline.job_report import leave_report
from latentsep.pipeline.stop import StopRequest
from latentsep.storage import StoreSettings


@pytest.fixture
def page(tmp_path):
    return tmp_path / "out" / "report.html"


@pytest.fixture
def job(tmp_path):
    """``job(engine, ids, **settings)``: runs the job; how it ended."""

    def run(engine=None, ids=("a", "b", "bad-1"), on_progress=lambda progress: None, **settings):
        uris = {track_id: f"/music/{track_id}.wav" for track_id in ids}
        manifest = write_manifest(tmp_path / "manifest.csv", uris)
        config = JobConfig.model_validate(settings)
        request = JobRequest(str(manifest), str(tmp_path / "out"), config)
        stop = StopRequest()
        report = run_job(request, stop, lambda progress: on_progress(stop), engine or FakeEngine())
        return report.state

    return run


def test_a_job_leaves_a_page_that_says_done(job, page):
    assert job() == "done"
    text = page.read_text()
    assert "done" in text
    assert "AudioDecodeError" in text


def test_a_job_that_a_limit_stops_leaves_one_as_well(job, page):
    ids = [f"bad-{number:03d}" for number in range(100)]
    assert job(ids=ids, limits={"max_reject_share": 0.1}) == "stopped"
    assert "stopped" in page.read_text()


def test_no_page_is_written_if_none_is_wanted(job, page):
    assert job(report=False) == "done"
    assert not page.exists()


def test_a_job_that_a_signal_ends_leaves_at_once(job, page):
    def strike(stop):
        stop.ask("got SIGTERM", by_signal=True)

    assert job(on_progress=strike) == "interrupted"
    assert not page.exists()


class Broken(FakeEngine):
    def blocks(self, block):
        raise ClusterError("the cluster gave up")


def test_a_job_that_fails_leaves_no_page(job, page):
    with pytest.raises(ClusterError):
        job(Broken())
    assert not page.exists()


def test_a_page_that_cannot_be_written_is_a_warning_and_the_job_is_done(
    tmp_path, job, page, caplog
):
    page.mkdir(parents=True)
    assert job() == "done"
    (warning,) = [record for record in caplog.records if "report_not_written" in record.message]
    assert warning.levelno == logging.WARNING
    assert "\n" not in warning.message
    assert sorted(result_rows(tmp_path / "out")) == ["a", "b"]


def test_even_a_fault_in_the_page_fails_no_job(tmp_path, job, page, caplog, monkeypatch):
    def fault(store, report):
        raise ZeroDivisionError("what nobody\nthought of")

    monkeypatch.setattr(job_report, "publish", fault)
    assert job() == "done"
    assert "ZeroDivisionError: what nobody: `latentsep report`" in caplog.text


def test_a_page_can_be_left_later(tmp_path, job, page):
    job(report=False)
    leave_report(str(tmp_path / "out"), StoreSettings())
    assert page.exists()
