import numpy as np
import pytest
import torch
from tiny_models import RATE_HZ
from tiny_training import TRAINING, random_song, tiny_pool

from latentsep.errors import ConfigError
from latentsep.models.codec_folder import CARD_FILE, fill_codec
from latentsep.models.model import Model, build_codec
from latentsep.training.codec_task import CodecTask, relative_error_db
from latentsep.training.config import CodecTrainConfig
from latentsep.training.loop import Trainer
from latentsep.training.mixing import Mixer
from latentsep.training.run import train

CODEC = {
    "name": "stft_ae",
    "options": {
        "sample_rate_hz": RATE_HZ,
        "hop_samples": 64,
        "mid_bins": 32,
        "side_bins": 16,
        "planes": [8, 8, 4],
        "width": 16,
        "blocks": 1,
    },
}


def _config(**changes):
    settings = {**TRAINING, "codec": CODEC, **changes}
    del settings["model"]
    return CodecTrainConfig.model_validate(settings)


def _task(**changes):
    config = _config(**changes)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        codec = build_codec(config.codec)
    return CodecTask(config, codec, Mixer(tiny_pool(), config.data, 31 * 64, RATE_HZ))


def _loss(task):
    batch = task.batch(np.random.default_rng(99))
    with torch.no_grad():
        return task.loss(batch, torch.Generator().manual_seed(0)).item()


def test_the_linear_start_alone_beats_saying_nothing():
    task = _task(latent_noise=0.0)
    task.prepare(np.random.default_rng(0))
    # Saying nothing costs 0 dB; 20 of 48 directions of coloured noise keep most of it.
    assert _loss(task) < -2


def test_forty_steps_lower_the_loss(tmp_path):
    task = _task(learning_rate=0.03)
    trainer = Trainer(task.config, task, tmp_path)
    task.prepare(trainer.rng)
    before = _loss(task)
    for _ in range(40):
        trainer.step()
    assert _loss(task) < before - 0.1
    assert trainer.progress.skipped_steps == 0


def test_silence_among_the_examples_gives_a_finite_step(tmp_path):
    task = _task(data={"silent_vocals_share": 1.0})
    trainer = Trainer(task.config, task, tmp_path)
    task.prepare(trainer.rng)
    for _ in range(3):
        assert np.isfinite(trainer.step())
    assert trainer.progress.skipped_steps == 0


def test_noise_on_the_latents_costs_something():
    quiet, noisy = _task(latent_noise=0.0), _task(latent_noise=1.0)
    for task in (quiet, noisy):
        task.prepare(np.random.default_rng(0))
    assert _loss(noisy) > _loss(quiet) + 0.5


def test_the_relative_error_by_hand():
    wanted = torch.ones(2, 1, 10)
    error = torch.stack([0.1 * torch.ones(1, 10), torch.zeros(1, 10)])
    # -20 dB and the floor, -30 dB; the floor adds 0.4 dB to the first.
    expected = (10 * np.log10(0.01 + 1e-3) - 30) / 2
    assert relative_error_db(error, wanted).item() == pytest.approx(expected, abs=1e-4)


def test_a_trained_codec_serves_a_model(tmp_path):
    import soundfile

    folder = tmp_path / "data" / "one"
    folder.mkdir(parents=True)
    song = random_song(0, 16_000)
    soundfile.write(folder / "vocals.wav", song.vocals.T, RATE_HZ)
    soundfile.write(folder / "band.wav", song.accompaniment.T, RATE_HZ)
    config = _config(data={"songs": ["one"]}, duration_s=0.5)
    train(config, tmp_path / "data", tmp_path / "run", tmp_path / "codec")
    assert "- one\n" in (tmp_path / "codec" / CARD_FILE).read_text("utf-8")

    from tiny_training import tiny_train_config

    model_config = tiny_train_config().model.model_copy(update={"codec": config.codec})
    model = Model(model_config)
    fill_codec(model.latent_space, config.codec, tmp_path / "codec")
    noise = torch.randn((1, 2, 64 * 40), generator=torch.Generator().manual_seed(0))
    assert model.latent_space.encode(noise).isfinite().all()
    assert (model.latent_space.codec.band_centres_hz < RATE_HZ / 2).all()


def test_a_codec_without_anything_to_train_is_refused_by_name(tmp_path):
    with pytest.raises(ConfigError, match="got 'mdct'"):
        train(_config(codec={"name": "mdct"}), tmp_path, tmp_path / "run", tmp_path / "codec")
