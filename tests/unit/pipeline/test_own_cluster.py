import os
import socket

import pytest

from latentsep.errors import ConfigError
from latentsep.pipeline import cluster as cluster_module
from latentsep.pipeline.cluster import _have_token, cluster, usable_cpus
from latentsep.pipeline.job_config import WorkerConfig


def test_more_workers_than_gpus_are_refused_instead_of_waited_for(monkeypatch):
    monkeypatch.setattr(cluster_module, "_local_gpus", lambda: 1)
    monkeypatch.setenv("RAY_AUTH_TOKEN", "given")
    with (
        pytest.raises(ConfigError, match=r"2 workers of 4 CPUs and 1 GPUs.* and 1: set workers"),
        cluster(None, WorkerConfig(count=2)),
    ):
        pass


@pytest.mark.parametrize(("text", "cpus"), [("50000 100000", 1), ("100000 100000", 1)])
def test_the_quota_of_a_container_counts(tmp_path, monkeypatch, text, cpus):
    monkeypatch.setattr(cluster_module, "CPU_QUOTA", tmp_path / "cpu.max")
    (tmp_path / "cpu.max").write_text(f"{text}\n")
    assert usable_cpus() == cpus


@pytest.mark.parametrize("text", ["max 100000\n", "", None])
def test_without_a_quota_all_cpus_of_the_process_count(tmp_path, monkeypatch, text):
    monkeypatch.setattr(cluster_module, "CPU_QUOTA", tmp_path / "cpu.max")
    if text is not None:
        (tmp_path / "cpu.max").write_text(text)
    assert usable_cpus() == len(os.sched_getaffinity(0))


@pytest.fixture
def no_token(monkeypatch):
    for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)


def test_without_a_saved_token_a_new_one_is_kept_out_of_the_home_folder(
    tmp_path, monkeypatch, no_token
):
    monkeypatch.setenv("HOME", str(tmp_path))
    _have_token()
    assert len(os.environ["RAY_AUTH_TOKEN"]) == 64
    assert not list(tmp_path.iterdir())
    monkeypatch.delenv("RAY_AUTH_TOKEN")


def test_a_saved_token_is_left_to_ray(tmp_path, monkeypatch, no_token):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".ray").mkdir()
    (tmp_path / ".ray" / "auth_token").write_text("saved")
    _have_token()
    assert "RAY_AUTH_TOKEN" not in os.environ


def test_an_address_where_nobody_listens_is_refused_in_seconds():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with (
            pytest.raises(ConfigError, match=rf"--address {address}: no Ray cluster .*refused"),
            cluster(address, WorkerConfig()),
        ):
            pass
