"""A job on a folder or prefix: the manifest made of it is checked as one that is read."""

import pytest

from latentsep.errors import ManifestError
from latentsep.pipeline.job import JobRequest, run_job
from latentsep.pipeline.job_config import JobConfig
from latentsep.pipeline.stop import StopRequest


@pytest.fixture
def refusal(tmp_path):
    """``refusal(prefix)``: the error of a job on it, which must not have begun anything."""

    def of(prefix):
        out = tmp_path / "out"
        request = JobRequest(str(prefix), str(out), JobConfig())
        with pytest.raises(ManifestError) as caught:
            run_job(request, StopRequest(), lambda progress: None)
        assert not out.exists()
        return caught.value

    return of


def test_names_that_no_job_can_use_are_all_listed(tmp_path, refusal):
    music = tmp_path / "music"
    music.mkdir()
    for name in (
        "good.wav",
        "back\\slash.wav",
        b"not-utf8-\xff.wav".decode("utf-8", "surrogateescape"),
    ):
        (music / name).touch()
    error = refusal(music)
    assert str(error).startswith(f"the manifest made of {music} has 2 problems: row ")
    assert len(error.problems) == 2
    assert all(problem in str(error) for problem in error.problems)


def test_of_many_problems_the_first_twenty_are_told_and_the_command_that_lists_all(
    tmp_path, refusal
):
    for number in range(25):
        (tmp_path / f"back\\slash-{number}.wav").touch()
    error = refusal(tmp_path)
    assert "and 5 more, `latentsep manifest build` lists all" in str(error)
    assert len(error.problems) == 25


def test_a_prefix_without_audio_is_refused_by_name(tmp_path, refusal):
    (tmp_path / "notes.txt").touch()
    assert str(refusal(tmp_path)).startswith(f"{tmp_path} holds no audio files; looked for .")
