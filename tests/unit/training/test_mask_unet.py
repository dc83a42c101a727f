import numpy as np
import pytest
import soundfile
import torch
import yaml
from tiny_models import RATE_HZ, noise_waveform, randomise
from tiny_training import TRAINING, random_song, tiny_pool

from latentsep.errors import ConfigError, ModelError
from latentsep.quality.reference import sdr_db
from latentsep.training.loop import Trainer
from latentsep.training.mask_unet import (
    BASELINE_FILE,
    CARD_FILE,
    TENSORS_FILE,
    MaskUNet,
    MaskUNetConfig,
    load_mask_unet,
    save_mask_unet,
)
from latentsep.training.mask_unet_task import MaskUNetTask, MaskUNetTrainConfig
from latentsep.training.mixing import Mixer
from latentsep.training.run import read_train_config, train

SHAPE = {"sample_rate_hz": RATE_HZ, "window_samples": 256, "widths": [8, 12]}


def _network(**changes):
    network = MaskUNet(MaskUNetConfig(**{**SHAPE, **changes}))
    randomise(network, 0)
    return network.eval().requires_grad_(False)


def _config(**changes):
    settings = {**TRAINING, "mask_unet": SHAPE, **changes}
    del settings["model"]
    return MaskUNetTrainConfig.model_validate(settings)


def _task(**changes):
    config = _config(**changes)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = MaskUNet(config.mask_unet)
    return MaskUNetTask(config, network, Mixer(tiny_pool(), config.data, 31 * 64, RATE_HZ))


def test_the_network_of_the_defaults_has_about_a_million_weights():
    count = sum(parameter.numel() for parameter in MaskUNet(MaskUNetConfig()).parameters())
    assert 0.9e6 < count < 1.3e6


def test_a_mask_is_shaped_as_the_magnitudes_and_lies_between_0_and_1():
    magnitudes = torch.rand((3, 2, 129, 16), generator=torch.Generator().manual_seed(0))
    mask = _network()(magnitudes)
    assert mask.shape == magnitudes.shape
    assert ((mask > 0) & (mask < 1)).all()
    assert mask.std() > 0.01


def test_a_frame_sees_the_context_and_no_more():
    network = _network()
    frames, middle = 8 * network.context_frames, 4 * network.context_frames
    magnitudes = torch.rand((1, 2, 129, frames), generator=torch.Generator().manual_seed(0))
    changed = magnitudes.clone()
    changed[..., middle] = 5
    difference = (network(changed) - network(magnitudes)).abs().amax(dim=(0, 1, 2))
    reach = difference.nonzero().flatten() - middle
    assert reach.min() >= -network.context_frames
    assert reach.max() <= network.context_frames


def test_chunks_leave_no_seams(monkeypatch):
    network = _network()
    mixture = noise_waveform(0, 64 * 600)
    whole = network.separate(mixture, RATE_HZ)
    monkeypatch.setattr("latentsep.training.mask_unet.CHUNK_FRAMES", 100)
    assert sdr_db(whole, network.separate(mixture, RATE_HZ)) > 100


@pytest.mark.parametrize("channels", [1, 2, 3])
@pytest.mark.parametrize(("samples", "rate_hz"), [(50, RATE_HZ), (9_001, 11_025)])
def test_vocals_have_the_shape_and_the_rate_of_the_mixture(channels, samples, rate_hz):
    mixture = noise_waveform(0, samples, channels)
    vocals = _network().separate(mixture, rate_hz)
    assert (vocals.shape, vocals.dtype) == (mixture.shape, np.float32)
    assert np.isfinite(vocals).all()


def test_silence_gives_silence():
    assert not _network().separate(np.zeros((2, 4_000), np.float32), RATE_HZ).any()


def test_the_level_of_a_song_does_not_matter():
    mixture = noise_waveform(0, 8_000)
    network = _network()
    quiet = network.separate(mixture / 100, RATE_HZ)
    assert sdr_db(network.separate(mixture, RATE_HZ), 100 * quiet) > 60


def test_a_window_that_does_not_halve_as_often_is_refused():
    with pytest.raises(ValueError, match="window_samples must be a multiple of 8"):
        MaskUNet(MaskUNetConfig(window_samples=252, widths=(2, 2)))


def test_a_baseline_is_read_as_it_was_written(tmp_path):
    network = _network()
    save_mask_unet(tmp_path / "baseline", network, "# baseline\n")
    loaded = load_mask_unet(tmp_path / "baseline")
    assert loaded.config == network.config
    mixture = noise_waveform(0, 4_000)
    expected = network.separate(mixture, RATE_HZ)
    # Weights are written as float16.
    assert sdr_db(expected, loaded.separate(mixture, RATE_HZ)) > 40
    assert (tmp_path / "baseline" / CARD_FILE).read_text("utf-8") == "# baseline\n"


@pytest.mark.parametrize(
    ("file", "content", "part"),
    [
        (BASELINE_FILE, b"mask_unet: [", "cannot be read"),
        (BASELINE_FILE, b"mask_unet: {colour: red}", "colour"),
        (TENSORS_FILE, b"damaged", "sha256"),
    ],
)
def test_a_damaged_baseline_is_refused_by_name(tmp_path, file, content, part):
    save_mask_unet(tmp_path, _network(), "# baseline\n")
    (tmp_path / file).write_bytes(content)
    with pytest.raises(ModelError, match=part) as caught:
        load_mask_unet(tmp_path)
    assert str(tmp_path / file) in str(caught.value)


def test_examples_are_magnitudes_with_a_level_about_one():
    mixture, vocals = _task(batch_items=16).batch(np.random.default_rng(0))
    assert mixture.shape == vocals.shape == (16, 2, 129, 32)
    levels_db = 20 * mixture.mean(dim=(1, 2, 3)).log10()
    assert levels_db.mean().abs() < 4
    assert 2 < levels_db.std() < 7


def test_twenty_steps_lower_the_loss(tmp_path):
    task = _task()
    trainer = Trainer(task.config, task, tmp_path)
    batch = task.batch(np.random.default_rng(99))
    before = task.loss(batch, torch.Generator()).item()
    for _ in range(20):
        trainer.step()
    assert task.loss(batch, torch.Generator()).item() < 0.95 * before
    assert trainer.progress.skipped_steps == 0


def test_silence_among_the_examples_gives_a_finite_step(tmp_path):
    task = _task(data={"silent_vocals_share": 1.0})
    trainer = Trainer(task.config, task, tmp_path)
    assert all(np.isfinite(trainer.step()) for _ in range(3))
    assert trainer.progress.skipped_steps == 0


def test_statistics_are_measured_anew_for_the_averaged_weights(tmp_path):
    task = _task()
    trainer = Trainer(task.config, task, tmp_path)
    for _ in range(5):
        trainer.step()
    trainer.use_average()
    norm = task.network.down[0][1]
    before = norm.running_mean.clone()
    task.settle(np.random.default_rng(0))
    assert not torch.equal(norm.running_mean, before)
    assert norm.num_batches_tracked == 16
    assert not task.network.training


@pytest.fixture
def data_folder(tmp_path):
    folder = tmp_path / "data" / "one"
    folder.mkdir(parents=True)
    song = random_song(0, 16_000)
    soundfile.write(folder / "vocals.wav", song.vocals.T, RATE_HZ)
    soundfile.write(folder / "band.wav", song.accompaniment.T, RATE_HZ)
    return tmp_path / "data"


def test_a_training_file_ends_with_a_baseline_that_separates(data_folder, tmp_path):
    file = tmp_path / "mask_unet.yaml"
    settings = _config(data={"songs": ["one"]}, duration_s=1.0).model_dump(mode="json")
    file.write_text(yaml.safe_dump(settings), "utf-8")
    train(read_train_config(file), data_folder, tmp_path / "run", tmp_path / "baseline")
    mixture = noise_waveform(0, 3_000)
    vocals = load_mask_unet(tmp_path / "baseline").separate(mixture, RATE_HZ)
    assert vocals.any()
    assert "- one\n" in (tmp_path / "baseline" / CARD_FILE).read_text("utf-8")


def test_a_crop_that_does_not_halve_as_often_is_refused_before_any_work(data_folder, tmp_path):
    config = _config(data={"songs": ["one"]}, crop_frames=30)
    with pytest.raises(ConfigError, match="crop_frames must be a multiple of 4"):
        train(config, data_folder, tmp_path / "run", tmp_path / "baseline")
