import logging
import socket
import threading

import pytest
from catalogue import write_manifest
from fake_engine import FakeEngine
from s3_server import free_ports
from scrape import scrape

from latentsep.catalogue.ledger import Ledger
from latentsep.errors import LedgerError
from latentsep.pipeline import job_metrics
from latentsep.pipeline.job import JobRequest, run_job
from latentsep.pipeline.job_config import JobConfig
from latentsep.pipeline.stop import StopRequest

IDS = ["a", "b", "bad-1", "c"]


class Watcher:
    """Scrapes whenever the job tells of its progress, and once more at its end."""

    def __init__(self, port):
        self.port = port
        self.scrapes = []

    def __call__(self, progress):
        self.scrapes.append(scrape(self.port))

    @property
    def last(self):
        return self.scrapes[-1]


@pytest.fixture
def job(tmp_path):
    """``job(ids, on_progress, ...)``: runs the job on these ids; the report."""

    def run(ids, on_progress, engine=None, stop=None, **config):
        uris = {track_id: f"/music/{track_id}.wav" for track_id in ids}
        manifest = write_manifest(tmp_path / "manifest.csv", uris)
        settings = JobConfig.model_validate(config)
        request = JobRequest(str(manifest), str(tmp_path / "out"), settings)
        return run_job(request, stop or StopRequest(), on_progress, engine or FakeEngine())

    return run


@pytest.fixture
def watcher(monkeypatch):
    """One that does not come again, and is not waited for."""
    monkeypatch.setattr(job_metrics, "LAST_SCRAPE_S", 0.0)
    (port,) = free_ports(1)
    return Watcher(port)


@pytest.fixture
def last_scrape(watcher, monkeypatch):
    """A watcher that comes again and again from the job's end on; the job waits for that."""
    monkeypatch.setattr(job_metrics, "LAST_SCRAPE_S", 600.0)
    wait = job_metrics.MetricsEndpoint.wait_for_last_scrape

    def waited(endpoint, longest_s):
        is_over = threading.Event()

        def come_again():
            while not is_over.wait(0.1):
                watcher(None)

        late = threading.Thread(target=come_again, daemon=True)
        late.start()
        wait(endpoint, longest_s)
        is_over.set()
        late.join()

    monkeypatch.setattr(job_metrics.MetricsEndpoint, "wait_for_last_scrape", waited)
    return watcher


def test_rows_count_when_they_are_committed_and_not_before(job, watcher):
    job(IDS, watcher, metrics={"port": watcher.port}, ledger={"commit_rows": 3})
    told = [scrape.sum("latentsep_tracks_total") for scrape in watcher.scrapes]
    assert told == [0, 4]


def test_the_last_scrape_of_a_job_has_its_last_commit(job, last_scrape):
    job(IDS, last_scrape, metrics={"port": last_scrape.port})
    told = [scrape.sum("latentsep_tracks_total") for scrape in last_scrape.scrapes]
    assert (told[:2], set(told[2:])) == ([0, 0], {4})
    assert last_scrape.last.one("latentsep_tracks_total", status="rejected") == 1
    told = last_scrape.last.one("latentsep_rejects_total", stage="load", reason="AudioDecodeError")
    assert told == 1


def test_a_rerun_begins_with_what_the_ledger_has(job, watcher):
    job(IDS, lambda progress: None)
    job([*IDS, "d"], watcher, metrics={"port": watcher.port})
    assert watcher.scrapes[0].one("latentsep_tracks_total", status="separated") == 3
    assert watcher.scrapes[0].one("latentsep_tracks_planned") == 5
    assert watcher.scrapes[0].one("latentsep_commit_rows_total") == 0


def test_a_commit_that_failed_is_told_before_the_job_ends(job, last_scrape, monkeypatch):
    def commit(*_):
        raise LedgerError("the disk is full")

    monkeypatch.setattr(Ledger, "commit", commit)
    with pytest.raises(LedgerError, match="disk is full"):
        job(IDS, last_scrape, metrics={"port": last_scrape.port})
    assert last_scrape.scrapes[0].one("latentsep_commit_failures_total") == 0
    assert last_scrape.last.one("latentsep_commit_failures_total") > 0
    assert last_scrape.last.sum("latentsep_tracks_total") == 0


def test_a_job_that_is_told_to_stop_waits_for_no_scrape(job, watcher, monkeypatch):
    stop, waits = StopRequest(), []
    monkeypatch.setattr(
        job_metrics.MetricsEndpoint, "wait_for_last_scrape", lambda *_: waits.append(1)
    )

    def interrupted(progress):
        watcher(progress)
        stop.ask("got SIGTERM", by_signal=True)

    report = job(IDS, interrupted, stop=stop, metrics={"port": watcher.port})
    assert report.state == "interrupted"
    assert waits == []


def test_a_port_that_is_taken_costs_a_warning_and_no_track(job, caplog):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with caplog.at_level(logging.WARNING):
            report = job(IDS, lambda progress: None, metrics={"port": port})
    assert (report.state, report.progress.finished) == ("done", 3)
    (said,) = [record.getMessage() for record in caplog.records]
    assert f"event=metrics_off address=127.0.0.1 port={port}" in said
    assert "metrics.port" in said


@pytest.mark.parametrize("port", [None, 0])
def test_without_a_port_nothing_listens_and_the_ledger_is_not_read(job, monkeypatch, port):
    def never(*_):
        raise AssertionError("the ledger is read")

    monkeypatch.setattr(job_metrics, "add_ledger", never)
    monkeypatch.setattr(job_metrics, "MetricsEndpoint", never)
    assert job(IDS, lambda progress: None, metrics={"port": port}).state == "done"
