import pytest
from tiny_models import tiny_model

from latentsep.errors import ConfigError
from latentsep.models.folder import save_model
from latentsep.pipeline.identity import identity_of
from latentsep.pipeline.job_config import JobConfig, override, read_job_config


def test_a_file_gives_what_differs_and_the_command_line_wins(tmp_path):
    file = tmp_path / "job.yaml"
    file.write_text("workers: {count: 3, cpus: 4}\nseparation: {steps: 2}\n")
    config = override(
        read_job_config(file), {"workers": 5, "codec": "wav", "bit_depth": 24, "max_hours": 1.5}
    )
    assert (config.workers.count, config.workers.cpus, config.separation.steps) == (5, 4, 2)
    assert (config.stems.codec, config.stems.bit_depth, config.limits.max_hours) == ("wav", 24, 1.5)
    assert read_job_config(None) == JobConfig()


def test_an_empty_file_is_the_default(tmp_path):
    (tmp_path / "job.yaml").write_text("# nothing\n")
    assert read_job_config(tmp_path / "job.yaml") == JobConfig()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("wrokers: {count: 3}", "wrokers"),
        ("workers: {count: 0}", r"workers\.count"),
        ("workers: {count: 3", "cannot be read"),
        ("limits: {max_reject_share: 2}", "max_reject_share"),
    ],
)
def test_a_wrong_file_is_told_by_place(tmp_path, text, words):
    (tmp_path / "job.yaml").write_text(text)
    with pytest.raises(ConfigError, match=words):
        read_job_config(tmp_path / "job.yaml")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"none\.yaml"):
        read_job_config(tmp_path / "none.yaml")


def test_a_secret_in_the_wrong_place_is_not_shown(tmp_path):
    (tmp_path / "job.yaml").write_text("storage: {s3: {endpoint_url: 'http://me:SECRET@host'}}")
    with pytest.raises(ConfigError) as caught:
        read_job_config(tmp_path / "job.yaml")
    assert "SECRET" not in str(caught.value)


def test_only_what_decides_bytes_is_in_the_identity():
    plain = override(JobConfig(), {"steps": 2})
    same = {"workers": 7, "threads": 3, "device": "cpu", "max_hours": 1.0, "batch_chunks": 4}
    assert identity_of(override(plain, same)) == identity_of(plain)
    for change in (
        {"steps": 3}, {"draws": 2}, {"sampler": "euler"}, {"sampler_options": {"eta": 1}},
        {"seed": 1}, {"segment_s": 20.0}, {"refinement": "off"}, {"precision": "bfloat16"},
        {"codec": "wav"}, {"bit_depth": 24}, {"overlap": 0.5}, {"compile": True},
    ):  # fmt: skip
        assert identity_of(override(plain, change)) != identity_of(plain), change


def test_a_warm_start_and_what_the_model_leaves_open_are_in_the_identity(tmp_path):
    diffusion = {"objective": {"name": "v"}, "sampling": {"sampler": "ddim", "steps": 4}}
    save_model(tmp_path / "tiny", tiny_model(**diffusion), "# tiny\n")
    config = override(JobConfig(), {"model": str(tmp_path / "tiny")})
    plain, warm = (identity_of(override(config, options)) for options in ({}, {"warm_start": 0.5}))
    assert (plain["sampler"], plain["steps"], plain["warm_start"]) == ("ddim", 4, None)
    assert {name for name in plain if plain[name] != warm[name]} == {"warm_start"}


def test_a_sampling_that_cannot_be_is_refused_before_a_run_has_a_name():
    for option in ({"sampler": "ddim"}, {"warm_start": 0.5}, {"steps": 1_001}, {"draws": 2}):
        with pytest.raises(ConfigError):
            identity_of(override(JobConfig(), option))
