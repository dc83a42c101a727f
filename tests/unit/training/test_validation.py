import json

import numpy as np
import pytest
import soundfile
import torch
import yaml
from tiny_models import CONFIG, RATE_HZ
from tiny_training import random_song, tiny_pool, tiny_train_config

from latentsep.errors import ConfigError
from latentsep.models.model import Model
from latentsep.training import validation as module
from latentsep.training.codec_task import CodecTask
from latentsep.training.config import CodecTrainConfig, DataConfig, ValidationConfig
from latentsep.training.loop import CURVE_FILE, Trainer
from latentsep.training.mask_unet import MaskUNet
from latentsep.training.mask_unet_task import MaskUNetTask, MaskUNetTrainConfig
from latentsep.training.mixing import Mixer, PoolPlaces
from latentsep.training.run import read_train_config, train
from latentsep.training.separation_task import SeparationTask
from latentsep.training.stems import TrainingSong
from latentsep.training.validation import (
    LEAST_SI_SDR_DB,
    Excerpts,
    check_held_out,
    load_excerpts,
    validate,
)

CROP_SAMPLES = 31 * 64
VALIDATION = {"generated_songs": {"plain": 1}, "every_s": 0.05}


def _excerpts(items=3, seed=7):
    song = random_song(seed, items * CROP_SAMPLES)
    stems = (song.vocals / 32_767, song.accompaniment / 32_767)
    cut = [np.stack(np.split(stem.astype(np.float32), items, axis=1)) for stem in stems]
    return Excerpts(*cut)


def _task(config):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = Model(config.model)
    mixer = Mixer(tiny_pool(), config.data, CROP_SAMPLES, RATE_HZ)
    return SeparationTask(config, model, mixer)


def _trainer(folder, excerpts=None, **changes):
    config = tiny_train_config(**changes)
    folder.mkdir(exist_ok=True)
    return Trainer(config, _task(config), folder, excerpts)


def _mask_unet_trainer(folder, excerpts=None):
    shape = {"sample_rate_hz": RATE_HZ, "window_samples": 256, "widths": [4, 8]}
    settings = tiny_train_config().model_dump(exclude={"model", *_OF_MODELS})
    # Of so few channels and steps Muon makes nothing yet.
    settings |= {"optimizer": "adamw", "mask_unet": shape}
    config = MaskUNetTrainConfig.model_validate(settings)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = MaskUNet(config.mask_unet)
    mixer = Mixer(tiny_pool(), config.data, CROP_SAMPLES, RATE_HZ)
    folder.mkdir(exist_ok=True)
    return Trainer(config, MaskUNetTask(config, network, mixer), folder, excerpts)


def _codec_trainer(folder, excerpts=None):
    from latentsep.models.model import build_codec

    options = {
        **CONFIG["codec"]["options"], "planes": [2, 1], "width": 16, "blocks": 1,
    }  # fmt: skip
    settings = tiny_train_config().model_dump(exclude={"model", *_OF_MODELS})
    codec = {"name": "stft_ae", "options": options}
    config = CodecTrainConfig.model_validate({**settings, "codec": codec})
    with torch.random.fork_rng():
        torch.manual_seed(0)
        built = build_codec(config.codec)
    mixer = Mixer(tiny_pool(), config.data, CROP_SAMPLES, RATE_HZ)
    folder.mkdir(exist_ok=True)
    return Trainer(config, CodecTask(config, built, mixer), folder, excerpts)


_OF_MODELS = ("loss", "start_from", "conditioner_from", "codec_weights", "codec_revision")
TRAINERS = {"model": _trainer, "codec": _codec_trainer, "mask U-Net": _mask_unet_trainer}


def _lines(folder):
    return [json.loads(line) for line in (folder / CURVE_FILE).read_text("utf-8").splitlines()]


def _validations(folder):
    return [line for line in _lines(folder) if "validation_loss" in line]


def _state(trainer):
    tensors = {**trainer.task.module.state_dict(), **dict(enumerate(trainer.ema.state()))}
    return {name: tensor.clone() for name, tensor in tensors.items()}


def _same(first, second):
    return all(torch.equal(tensor, second[name]) for name, tensor in first.items())


@pytest.mark.parametrize("kind", TRAINERS)
def test_weights_and_draws_are_the_same_with_and_without_validation(tmp_path, kind):
    plain = TRAINERS[kind](tmp_path / "plain")
    looked_at = TRAINERS[kind](tmp_path / "looked at", _excerpts())
    for trainer in (plain, looked_at):
        trainer.task.prepare(trainer.rng)
        trainer.task.module.train()
    torch.manual_seed(0)
    draw = torch.random.get_rng_state()
    for _ in range(4):
        plain.step()
        looked_at.validate()
        looked_at.step()
    looked_at.validate()
    assert len(_validations(tmp_path / "looked at")) == 5
    assert _same(_state(plain), _state(looked_at))
    assert torch.equal(torch.random.get_rng_state(), draw)
    for trainer in (plain, looked_at):
        trainer.close()
    assert looked_at.rng.bit_generator.state == plain.rng.bit_generator.state
    assert torch.equal(looked_at.generator.get_state(), plain.generator.get_state())
    assert looked_at.task.module.training


@pytest.mark.parametrize("kind", TRAINERS)
def test_the_same_weights_have_the_same_scores_and_training_improves_them(tmp_path, kind):
    trainer = TRAINERS[kind](tmp_path, _excerpts())
    trainer.task.prepare(trainer.rng)
    trainer.task.module.train()
    trainer.validate()
    for _ in range(30):
        trainer.step()
    trainer.validate()
    trainer.close()
    first, last = _validations(tmp_path)
    name = "si_sdr_mean_db" if kind == "codec" else "si_sdr_improvement_mean_db"
    assert last[name] > first[name] + 0.1
    assert last["validation_loss"] < first["validation_loss"]
    trainer.curve.cut(0)
    trainer.validate()
    again = _validations(tmp_path)[-1]
    assert {**again, "validation_s": 0} == {**last, "validation_s": 0}


def test_validation_takes_no_time_of_the_schedule_and_comes_as_often_as_wanted(
    tmp_path, monkeypatch
):
    import time

    def slow(*arguments):
        time.sleep(0.2)
        return validate(*arguments)

    monkeypatch.setattr("latentsep.training.loop.validate", slow)
    trainer = _trainer(
        tmp_path, _excerpts(1), duration_s=0.3, validation={"every_s": 0.1}, batch_items=1
    )
    began = time.perf_counter()
    trainer.run()
    took_s = time.perf_counter() - began
    at_s = [line["elapsed_s"] for line in _validations(tmp_path)]
    # Before the first step, after each tenth, after the last step; a slow step may skip one.
    assert at_s[0] == 0
    assert 2 <= len(at_s) <= 5
    assert took_s > trainer.progress.elapsed_s + 0.2 * len(at_s)


def test_a_finished_run_is_not_validated_again(tmp_path):
    for _ in range(2):
        _trainer(tmp_path, _excerpts(1), duration_s=0.1).run()
    steps = [line["step"] for line in _validations(tmp_path)]
    assert len(set(steps)) == len(steps)


def test_lines_after_the_checkpoint_are_told_anew_by_the_run_that_goes_on(tmp_path):
    first = _trainer(tmp_path, _excerpts(1))
    first.save()
    first.step()
    first.validate()
    first.close()
    second = _trainer(tmp_path, _excerpts(1))
    second.restore()
    assert _lines(tmp_path) == []


def test_a_run_that_begins_anew_has_a_curve_of_its_own(tmp_path):
    (tmp_path / CURVE_FILE).write_text('{"step": 0, "validation_loss": 7.0}\n')
    _trainer(tmp_path, _excerpts(1), duration_s=0.1).run()
    assert all(line["validation_loss"] < 5 for line in _validations(tmp_path))


def test_the_averaged_weights_are_looked_at(tmp_path):
    trainer = _trainer(tmp_path, _excerpts())
    trainer.task.module.train()
    for _ in range(3):
        trainer.step()
    trainer.validate()
    trainer.close()
    trainer.use_average()
    scores = validate(trainer.task, _excerpts(), 4, bf16=False)
    (line,) = _validations(tmp_path)
    assert line["validation_loss"] == pytest.approx(scores.loss, abs=1e-5)
    assert line["si_sdr_improvement_mean_db"] == pytest.approx(np.mean(scores.si_sdr_db), abs=1e-3)


def test_an_estimate_of_silence_has_a_finite_score(tmp_path):
    trainer = _trainer(tmp_path)
    trainer.task.estimate = lambda vocals, accompaniment, generator: np.zeros_like(vocals)
    scores = validate(trainer.task, _excerpts(), 2, bf16=False)
    assert len(scores.si_sdr_db) == 3
    assert all(LEAST_SI_SDR_DB - 30 < score < LEAST_SI_SDR_DB + 30 for score in scores.si_sdr_db)


def test_a_model_that_samples_noise_is_scored_from_the_same_noise(tmp_path):
    objective = {"name": "v"}
    changed = {**CONFIG, "objective": objective, "sampling": {"sampler": "ddim"}}
    task = _task(tiny_train_config(model=changed))
    first, second = (validate(task, _excerpts(), 2, bf16=True) for _ in range(2))
    assert first == second


# What is looked at.


@pytest.fixture
def data_folder(tmp_path):
    for seed, name in enumerate(("one", "two")):
        folder = tmp_path / "data" / "songs" / name
        folder.mkdir(parents=True)
        song = random_song(seed, 16_000)
        soundfile.write(folder / "vocals.wav", song.vocals.T, RATE_HZ)
        soundfile.write(folder / "band.wav", song.accompaniment.T, RATE_HZ)
    return tmp_path / "data"


def _places(folder, seed=0):
    return PoolPlaces(folder, folder / "cache", RATE_HZ, seed, workers=1)


def test_excerpts_are_spread_over_all_songs_and_no_training_seed_changes_them(data_folder):
    config = ValidationConfig(
        songs=["songs/one"], generated_songs={"plain": 2}, generated_song_s=6, excerpts=5
    )
    first, second = (load_excerpts(config, _places(data_folder, seed), 4_000) for seed in (0, 1))
    assert first.vocals.shape == first.accompaniment.shape == (5, 2, 4_000)
    assert np.array_equal(first.vocals, second.vocals)
    assert len({piece.tobytes() for piece in first.vocals}) == 5
    original, _ = soundfile.read(data_folder / "songs/one/vocals.wav", always_2d=True)
    # Two of the song's four pieces: the middles of its halves.
    for piece, start in zip(first.vocals[:2], (4_000, 12_000), strict=True):
        assert np.abs(piece - original[start : start + 4_000].T).max() < 1e-3


def test_validation_hears_no_song_that_a_training_with_any_seed_makes(data_folder):
    config = ValidationConfig(generated_songs={"plain": 1}, generated_song_s=3)
    load_excerpts(config, _places(data_folder), 8_000)
    (file,) = (data_folder / "cache").iterdir()
    assert f"-{module.VALIDATION_SEED}-" in file.name
    with pytest.raises(ValueError, match="less than 1000000"):
        tiny_train_config(seed=module.VALIDATION_SEED)


def test_pieces_without_voice_or_band_are_left_out():
    song = random_song(0, 8_000)
    vocals, band = song.vocals.copy(), song.accompaniment.copy()
    vocals[:, :2_000] = 0
    band[:, 4_000:6_000] = 0
    kept = module._sounding(TrainingSong("song", vocals, band), 2_000)
    assert [int(piece[0][0, 0] * 32_767) for piece in kept] == [
        int(vocals[0, start]) for start in (2_000, 6_000)
    ]


def test_songs_that_are_shorter_than_an_excerpt_are_refused(data_folder):
    config = ValidationConfig(songs=["songs/one"])
    with pytest.raises(ConfigError, match=r"validation: no 10\.0 s of its 1 songs"):
        load_excerpts(config, _places(data_folder), 80_000)


@pytest.mark.parametrize(
    "data",
    [
        {"songs": ["songs/one"]},
        {"songs": ["songs/../songs/one/"]},
        {"songs": ["songs/two"], "vocals": ["songs/*/vocals.wav"]},
        {"songs": ["songs/two"], "accompaniment": ["**/band.wav"]},
        {"songs": ["linked"]},
    ],
)
def test_a_song_in_training_and_validation_is_refused_before_any_work(data_folder, tmp_path, data):
    (data_folder / "linked").symlink_to(data_folder / "songs/one")
    config = tiny_train_config(data=data, validation={"songs": ["songs/one"]})
    with pytest.raises(ConfigError, match="one or for the other") as caught:
        train(config, data_folder, tmp_path / "run", tmp_path / "model")
    assert "'songs/one'" in str(caught.value)
    assert not (tmp_path / "run/songs").exists()


def test_other_songs_are_not(data_folder):
    data = DataConfig(songs=["songs/two"], vocals=["songs/two/*.wav"])
    check_held_out(data, ValidationConfig(songs=["songs/one"]), data_folder)


def test_a_training_file_with_validation_ends_with_both_kinds_of_lines(data_folder, tmp_path):
    file = tmp_path / "tiny.yaml"
    settings = tiny_train_config(
        data={"songs": ["songs/one"]},
        validation={"songs": ["songs/two"], "excerpt_s": 0.5, "excerpts": 2, "every_s": 0.2},
        duration_s=0.5,
    )
    file.write_text(yaml.safe_dump(settings.model_dump(mode="json")), "utf-8")
    train(read_train_config(file), data_folder, tmp_path / "run", tmp_path / "model")
    found = _validations(tmp_path / "run")
    assert len(found) >= 2
    assert set(found[-1]) == {
        "step", "elapsed_s", "validation_loss", "si_sdr_improvement_mean_db",
        "si_sdr_improvement_median_db", "validation_s",
    }  # fmt: skip
    card = (tmp_path / "model/MODEL_CARD.md").read_text("utf-8")
    assert "not trained on: `songs/two`." in card
