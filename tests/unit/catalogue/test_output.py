import pytest
from tiny_outputs import TinyOutput, result_row

from latentsep.catalogue.output import open_output
from latentsep.errors import ConfigError
from latentsep.storage import StoreSettings, open_store

SETTINGS = StoreSettings()


@pytest.mark.parametrize("name", ["nothing", "empty", "other"])
def test_a_place_without_a_job_is_refused_and_stays_as_it_is(tmp_path, name):
    (tmp_path / "empty").mkdir()
    (tmp_path / "other").mkdir()
    (tmp_path / "other/song.wav").write_bytes(b"x")
    with pytest.raises(ConfigError, match=r"holds no output of a job: no run\.json"):
        open_output(str(tmp_path / name), SETTINGS)
    assert not (tmp_path / "nothing").exists()
    assert list((tmp_path / "empty").iterdir()) == []


def test_a_file_is_no_output(tmp_path):
    (tmp_path / "song.wav").write_bytes(b"x")
    with pytest.raises(ConfigError, match=r"song\.wav"):
        open_output(str(tmp_path / "song.wav"), SETTINGS)


def test_an_output_that_was_only_begun_is_opened(tmp_path):
    TinyOutput(open_store(str(tmp_path)))
    assert open_output(str(tmp_path), SETTINGS).uri == tmp_path.as_uri()


def test_results_without_a_run_file_are_opened(tmp_path):
    output = TinyOutput(open_store(str(tmp_path)), begun=False)
    output.commit(results=[result_row("a")])
    assert open_output(str(tmp_path), SETTINGS).uri == tmp_path.as_uri()


def test_a_scheme_that_nobody_knows_is_refused():
    with pytest.raises(ConfigError, match="gs"):
        open_output("gs://bucket/out", SETTINGS)
