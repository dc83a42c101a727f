import json

import numpy as np
import pytest
import torch
from tiny_models import CONFIG, RATE_HZ
from tiny_training import tiny_pool, tiny_train_config

from latentsep.errors import ConfigError
from latentsep.models.model import Model
from latentsep.training import loop
from latentsep.training.loop import CHECKPOINT_FILE, CURVE_FILE, LOG_EVERY_STEPS, Trainer
from latentsep.training.mixing import Mixer
from latentsep.training.separation_task import SeparationTask

CROP_SAMPLES = 31 * 64


def _fresh_model(config, seed=0):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return Model(config.model)


def _trainer(folder, seed=0, **changes):
    config = tiny_train_config(**changes)
    folder.mkdir(exist_ok=True)
    mixer = Mixer(tiny_pool(), config.data, CROP_SAMPLES, RATE_HZ)
    return Trainer(config, SeparationTask(config, _fresh_model(config, seed), mixer), folder)


class BrokenMixer:
    """Gives NaN at the calls it is told to, and what the real one gives otherwise."""

    def __init__(self, mixer, broken_calls):
        self.mixer = mixer
        self.broken_calls = broken_calls
        self.calls = 0

    def batch(self, items, rng):
        vocals, accompaniment = self.mixer.batch(items, rng)
        if self.calls in self.broken_calls:
            vocals[0, 0, 0] = np.nan
        self.calls += 1
        return vocals, accompaniment


def _weights(trainer):
    return [value.clone() for value in trainer.task.module.state_dict().values()]


def _equal(first, second):
    return all(torch.equal(one, other) for one, other in zip(first, second, strict=True))


def _loss_on_fixed_examples(trainer):
    batch = trainer.task.batch(np.random.default_rng(99))
    with torch.no_grad():
        return trainer.task.loss(batch, torch.Generator().manual_seed(0)).item()


def _no_loss(trainer):
    return sum(parameter.sum() * 0 for parameter in trainer.task.module.parameters())


@pytest.mark.parametrize("objective", ["bridge", "regression"])
def test_fifteen_steps_lower_the_loss(tmp_path, objective):
    trainer = _trainer(tmp_path, model={**CONFIG, "objective": {"name": objective}})
    before = _loss_on_fixed_examples(trainer)
    for _ in range(15):
        trainer.step()
    assert _loss_on_fixed_examples(trainer) < 0.8 * before


def test_bfloat16_trains_too(tmp_path):
    trainer = _trainer(tmp_path, bf16=True)
    before = _loss_on_fixed_examples(trainer)
    for _ in range(15):
        trainer.step()
    assert _loss_on_fixed_examples(trainer) < 0.8 * before


@pytest.mark.parametrize("saved_at", [0, 3])
def test_a_resumed_training_has_the_bits_of_one_that_was_never_cut(tmp_path, saved_at):
    whole = _trainer(tmp_path / "whole")
    for _ in range(7):
        whole.step()
    first = _trainer(tmp_path / "cut")
    for _ in range(saved_at):
        first.step()
    first.save()
    second = _trainer(tmp_path / "cut", seed=5)
    second.restore()
    assert second.progress.step == saved_at
    for _ in range(7 - saved_at):
        second.step()
    assert _equal(_weights(second), _weights(whole))
    assert _equal(second.ema.state(), whole.ema.state())
    for trainer in (whole, second):
        trainer.close()
    assert second.rng.bit_generator.state == whole.rng.bit_generator.state


def test_the_scale_of_the_latents_comes_back_with_the_checkpoint(tmp_path):
    first = _trainer(tmp_path)
    first.task.prepare(first.rng)
    first.save()
    second = _trainer(tmp_path)
    second.restore()
    assert torch.equal(second.task.statistics["scale"], first.task.statistics["scale"])
    assert not torch.equal(first.task.statistics["scale"], torch.ones(48, 1))


def test_drawing_ahead_draws_what_drawing_in_turn_does(tmp_path):
    trainer = _trainer(tmp_path)
    taken = []
    trainer.task.loss = lambda batch, generator: (taken.append(batch), _no_loss(trainer))[1]
    for _ in range(3):
        trainer.step()
    trainer.close()
    rng = np.random.default_rng(trainer.config.seed)
    for batch in taken:
        assert _equal(batch, trainer.task.batch(rng))
    assert trainer.rng.bit_generator.state == rng.bit_generator.state


def test_the_checkpoint_of_another_model_is_refused(tmp_path):
    _trainer(tmp_path).save()
    other = _trainer(tmp_path, model={**CONFIG, "level_radius_frames": 9})
    with pytest.raises(ConfigError, match="belongs to another model") as caught:
        other.restore()
    assert CHECKPOINT_FILE in str(caught.value)


def test_the_checkpoint_of_the_same_model_in_other_python_types_is_not(tmp_path):
    """YAML gives lists where a program may write tuples."""
    network = CONFIG["network"]
    options = {**network["options"], "widths": tuple(network["options"]["widths"])}
    model = {**CONFIG, "network": {**network, "options": options}}
    _trainer(tmp_path, model=model).save()
    _trainer(tmp_path, model=model).restore()


def test_a_longer_schedule_may_go_on_from_a_checkpoint(tmp_path):
    _trainer(tmp_path).save()
    _trainer(tmp_path, duration_s=5_000.0, batch_items=2).restore()


@pytest.mark.parametrize("content", [b"", b"no checkpoint", b"PK\x03\x04 cut off"])
def test_a_damaged_checkpoint_is_refused_by_name(tmp_path, content):
    (tmp_path / CHECKPOINT_FILE).write_bytes(content)
    with pytest.raises(ConfigError, match=CHECKPOINT_FILE):
        _trainer(tmp_path).restore()


def test_a_save_that_is_cut_off_leaves_the_old_checkpoint(tmp_path, monkeypatch):
    trainer = _trainer(tmp_path)
    trainer.save()
    before = (tmp_path / CHECKPOINT_FILE).read_bytes()

    def full_disk(state, file):
        file.write_bytes(b"half of it")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full_disk)
    with pytest.raises(OSError, match="No space"):
        trainer.save()
    assert (tmp_path / CHECKPOINT_FILE).read_bytes() == before


def test_steps_that_are_not_finite_are_skipped_and_counted(tmp_path):
    trainer = _trainer(tmp_path)
    trainer.task.mixer = BrokenMixer(trainer.task.mixer, {1, 2})
    trainer.step()
    after_one, average = _weights(trainer), [value.clone() for value in trainer.ema.state()]
    assert np.isnan(trainer.step())
    assert np.isnan(trainer.step())
    assert _equal(_weights(trainer), after_one)
    assert _equal(trainer.ema.state(), average)
    assert np.isfinite(trainer.step())
    assert not _equal(_weights(trainer), after_one)
    assert (trainer.progress.step, trainer.progress.skipped_steps) == (4, 2)


def test_the_learning_rate_warms_up_and_ends_at_a_hundredth(tmp_path):
    trainer = _trainer(tmp_path, warmup_steps=10, duration_s=100.0)
    # (step, elapsed seconds) -> share of the learning rate: a tenth of the warm-up; half a cosine.
    for step, elapsed_s, share in [(0, 0, 0.1), (9, 0, 1), (50, 50, 0.505), (99, 100, 0.01)]:
        trainer.progress.step, trainer.progress.elapsed_s = step, elapsed_s
        assert trainer._learning_rate() == pytest.approx(1e-2 * share)


def test_a_run_ends_with_its_wall_time_and_a_second_one_adds_nothing(tmp_path):
    trainer = _trainer(tmp_path / "run", duration_s=0.3)
    trainer.run()
    assert trainer.progress.elapsed_s >= 0.3
    assert trainer.progress.step > 0
    again = _trainer(tmp_path / "run", duration_s=0.3)
    again.run()
    assert vars(again.progress) == vars(trainer.progress)
    assert _equal(_weights(again), _weights(trainer))


def test_the_curve_has_a_line_for_every_fifty_steps(tmp_path):
    trainer = _trainer(tmp_path, duration_s=0.3, batch_items=1)
    trainer.progress.step = LOG_EVERY_STEPS - 1
    trainer.run()
    lines = [json.loads(line) for line in (tmp_path / CURVE_FILE).read_text("utf-8").splitlines()]
    steps = [line["step"] for line in lines]
    assert steps == list(range(LOG_EVERY_STEPS, trainer.progress.step + 1, LOG_EVERY_STEPS))
    assert all(np.isfinite(line["loss"]) for line in lines)


def test_checkpoints_come_as_often_as_wanted(tmp_path):
    trainer = _trainer(tmp_path, duration_s=0.3, checkpoint_every_s=0.05)
    saved_at_s = []
    trainer.save = lambda: saved_at_s.append(trainer.progress.elapsed_s)
    trainer.run()
    assert len(saved_at_s) >= 2
    assert all(gap >= 0.05 for gap in np.diff(saved_at_s[:-1]))


def test_a_training_ends_with_the_average(tmp_path):
    trainer = _trainer(tmp_path)
    for _ in range(3):
        trainer.step()
    assert not _equal(list(trainer.task.module.parameters()), trainer.ema.state())
    trainer.use_average()
    assert _equal(list(trainer.task.module.parameters()), trainer.ema.state())
    assert not trainer.task.module.training


def test_where_bfloat16_would_be_emulated_nothing_is_calculated_in_it(tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "has_bfloat16", lambda device: False)
    losses = []
    for bf16 in (True, False):
        trainer = _trainer(tmp_path / str(bf16), bf16=bf16)
        losses.append([trainer.step() for _ in range(2)])
        trainer.close()
    assert losses[0] == losses[1]
