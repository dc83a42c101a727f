import os
from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny_models import noise_waveform, tiny_model

from latentsep.evaluation import speed
from latentsep.evaluation.separator_parts import SeparatorParts
from latentsep.evaluation.speed import SpeedSetup, SpeedTrial, difference_db, measure
from latentsep.models.folder import save_model
from latentsep.separation.options import SeparationOptions
from latentsep.separation.separator import Separator

SETUP = SpeedSetup("cpu", "off", compile=False, audio_s=3.0, threads=1, repeats=1)


@pytest.fixture(scope="module")
def trial(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "tiny"
    save_model(folder, tiny_model(), "# tiny\n")
    return SpeedTrial(str(folder), batch_chunks=4, steps=2, precision="float32")


@pytest.fixture
def one_thread():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def end_at_once(*_):
    """What the system does to a process that takes too much memory."""
    os._exit(9)


@pytest.mark.usefixtures("one_thread")
def test_a_trial_fills_whole_batches_and_tells_shares_of_the_peak(trial):
    figures, vocals = measure(trial, SETUP, noise_waveform(0, 10_000))
    assert (figures.batch_chunks, figures.steps, figures.nfe) == (4, 2, 2)
    assert figures.audio_s >= SETUP.audio_s
    assert vocals.shape == (2, round(figures.audio_s * 44_100))
    assert 0 < figures.whole_peak_share < figures.network_peak_share
    assert figures.peak_memory_bytes > 10**7


@pytest.mark.usefixtures("one_thread")
def test_steps_that_a_model_cannot_do_are_told(trial):
    told = measure(replace(trial, steps=65), SETUP, noise_waveform(0, 10_000))
    assert told == "model 'tiny' can do 1..64 steps, got 65"


def test_a_process_that_the_system_ends_is_a_row(trial, monkeypatch):
    monkeypatch.setattr(speed, "measure", end_at_once)
    (row,) = speed.measure_speeds([trial], SETUP)
    assert row.figures is None
    assert "lack of memory" in row.problem


def test_multiply_adds_do_not_depend_on_the_batch():
    small, large = (
        SeparatorParts(
            Separator(tiny_model(), SeparationOptions(batch_chunks=chunks, device="cpu"))
        )
        for chunks in (1, 4)
    )
    assert small.macs() == large.macs()
    # What is nearest to the latents in the first layer alone.
    assert small.macs()["network"] > 128 * 2 * 48 * 8 * 3


def test_a_difference_is_energy_by_energy():
    vocals = np.ones((2, 100), np.float32)
    assert difference_db(vocals, 1.1 * vocals) == pytest.approx(-20, abs=1e-3)
    assert difference_db(None, vocals) is None
    assert difference_db(vocals, vocals[:, :50]) is None
    assert difference_db(0 * vocals, vocals) is None
