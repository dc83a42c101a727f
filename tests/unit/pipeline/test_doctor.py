import tomllib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from latentsep.pipeline import doctor
from latentsep.pipeline.doctor_ray import check_address, check_auth
from latentsep.pipeline.doctor_storage import (
    check_checksums,
    check_clock,
    manifest_checks,
    output_checks,
)
from latentsep.storage import S3Settings, StoreSettings
from latentsep.storage.local import LocalStore

PYPROJECT = Path(__file__).parents[3] / "pyproject.toml"
SETTINGS = StoreSettings()


def states(checks):
    return {check.name: check.state for check in checks}


def test_the_supported_versions_are_those_of_pyproject():
    project = tomllib.loads(PYPROJECT.read_text())["project"]
    wanted = {need.name: need.specifier for need in map(Requirement, project["dependencies"])}
    wanted["python"] = SpecifierSet(project["requires-python"])
    for name, text in doctor.SUPPORTED.items():
        assert SpecifierSet(text) == wanted[name], name


@pytest.mark.parametrize(
    ("name", "found", "state"),
    [
        ("ray", "2.60.0", "ok"),
        ("ray", "2.63.1", "ok"),
        ("ray", "2.64.0", "failed"),
        ("ray", "2.59.0", "failed"),
        ("ray", None, "failed"),
        ("torch", "2.13.0+cu128", "ok"),
        ("python", "3.14.0", "failed"),
        ("python", "3.12.1", "ok"),
    ],
)
def test_versions_out_of_range_fail_and_name_the_range(name, found, state):
    check = doctor.check_version(name, found)
    assert check.state == state
    if state == "failed":
        assert doctor.SUPPORTED[name] in check.what
        assert doctor.SUPPORTED[name] in check.fix


def test_this_machine_can_run_a_job():
    checks = doctor.machine_checks()
    assert [check for check in checks if check.state == "failed"] == []
    assert {"python", "ray", "torch", "pyarrow", "cpus", "gpu", "decoder", "model"} <= {
        check.name for check in checks
    }


def test_every_finding_that_is_not_good_has_a_fix(tmp_path):
    found = [
        doctor.check_file_limit(256),
        doctor.check_free_disk(tmp_path / "missing"),
        doctor.check_model("no-such-model"),
    ]
    assert [check.state for check in found] == ["warning", "failed", "failed"]
    assert all(check.fix for check in found)


def test_a_full_temporary_folder_fails(tmp_path, monkeypatch):
    monkeypatch.setattr(doctor, "LEAST_FREE_BYTES", 2**62)
    check = doctor.check_free_disk(tmp_path)
    assert check.state == "failed"
    assert "TMPDIR" in check.fix


def test_a_local_output_passes_and_stays_empty(tmp_path):
    checks = output_checks(str(tmp_path / "out"), SETTINGS, {})
    assert states(checks) == {
        "output: list": "ok",
        "output: write": "ok",
        "output: conditional writes": "ok",
        "clock": "ok",
    }
    assert list(LocalStore(tmp_path / "out").list()) == []


def test_an_output_below_a_file_fails(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    checks = output_checks(str(tmp_path / "file" / "out"), SETTINGS, {})
    assert states(checks)["output: write"] == "failed"


def test_an_unknown_scheme_fails():
    (check,) = output_checks("gs://bucket/out", SETTINGS, {})
    assert check.state == "failed"
    assert "gs" in check.what


class SlowClock(LocalStore):
    def now(self):
        return datetime.now(UTC) - timedelta(minutes=2)


def test_a_clock_that_is_off_is_a_warning(tmp_path):
    check = check_clock(SlowClock(tmp_path))
    assert check.state == "warning"
    assert "120 s" in check.what


ON_A_SERVER = StoreSettings(s3=S3Settings(endpoint_url="https://ceph.example"))
BOTH_SET = {
    "AWS_REQUEST_CHECKSUM_CALCULATION": "when_required",
    "AWS_RESPONSE_CHECKSUM_VALIDATION": "WHEN_REQUIRED",
}


@pytest.mark.parametrize(
    ("out", "settings", "environment", "state"),
    [
        ("s3://bucket/out", SETTINGS, {}, None),
        ("/out", ON_A_SERVER, {}, None),
        ("s3://bucket/out", SETTINGS, {"AWS_ENDPOINT_URL": "https://ceph.example"}, "warning"),
        ("s3://bucket/out", SETTINGS, {"AWS_ENDPOINT_URL_S3": "https://ceph.example"}, "warning"),
        ("s3://bucket/out", SETTINGS, {"AWS_ENDPOINT_URL": "https://s3.amazonaws.com"}, None),
        ("s3://bucket/out", ON_A_SERVER, {}, "warning"),
        ("s3://bucket/out", ON_A_SERVER, BOTH_SET, "ok"),
    ],
)
def test_old_servers_are_spoken_of_only_where_there_may_be_one(out, settings, environment, state):
    checks = check_checksums(out, settings, environment)
    assert [check.state for check in checks] == ([state] if state else [])
    if state == "warning":
        assert "AWS_REQUEST_CHECKSUM_CALCULATION=when_required" in checks[0].fix


def test_a_manifest_and_its_first_sources_are_read(tmp_path):
    (tmp_path / "a.wav").write_bytes(b"RIFF")
    table = pa.table({"track_id": ["a", "b"], "uri": ["a.wav", "missing.wav"]})
    pq.write_table(table, tmp_path / "manifest.parquet")
    manifest, first, second = manifest_checks(str(tmp_path / "manifest.parquet"), SETTINGS)
    assert (manifest.state, first.state, second.state) == ("ok", "ok", "failed")
    assert "missing.wav" in second.what


def test_a_missing_manifest_fails(tmp_path):
    (check,) = manifest_checks(str(tmp_path / "none.csv"), SETTINGS)
    assert check.state == "failed"


@pytest.mark.parametrize(
    ("environment", "state"),
    [
        ({"RAY_AUTH_MODE": "disabled"}, "warning"),
        ({"RAY_AUTH_MODE": "token"}, "failed"),
        ({"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "hidden"}, "ok"),
        ({}, "ok"),
        ({"RAY_AUTH_TOKEN_PATH": "/no/such/file"}, "failed"),
    ],
)
def test_authentication_is_judged_by_mode_and_token(tmp_path, environment, state):
    check = check_auth({"HOME": str(tmp_path), **environment})
    assert check.state == state
    assert "hidden" not in check.what + check.fix


@pytest.mark.parametrize(
    ("address", "text"),
    [
        ("ray://head:10001", "latentsep submit"),
        ("127.0.0.1:1", "ray start --head"),
        ("head", "ray start --head"),
        ("head:port", "ray start --head"),
        ("http://127.0.0.1:1", "latentsep submit --help"),
    ],
)
def test_an_address_that_does_not_answer_fails_with_a_fix(tmp_path, address, text):
    check = check_address(address, {"HOME": str(tmp_path)})
    assert check.state == "failed"
    assert address in check.what
    assert text in check.fix
