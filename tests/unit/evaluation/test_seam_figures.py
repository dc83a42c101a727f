import math

import numpy as np
import pytest
from tiny_models import RATE_HZ, ChunkwideNetwork, chunkwide_config, noise_waveform, tiny_model

from latentsep.denoisers import NETWORKS
from latentsep.evaluation.seams import measure_seams
from latentsep.models.model import Model
from latentsep.separation.options import SeparationOptions
from latentsep.separation.separator import Separator

SONG = noise_waveform(0, 8 * RATE_HZ)
SHORT_HALO = {"frames": 128, "context_frames": 40, "halo_frames": 40}


def _figures(model, song=SONG, **options):
    figures = list(measure_seams(model, SeparationOptions(**options), song, RATE_HZ))
    values = {figure.name: figure.value for figure in figures}
    assert len(values) == len(figures)
    return values


def _only(figures, start):
    (value,) = (value for name, value in figures.items() if name.startswith(start))
    return value


@pytest.fixture(scope="module")
def few_steps():
    """A local model with a halo shorter than the exact one, and its figures."""
    model = tiny_model(chunk=SHORT_HALO)
    return model, _figures(model, steps=3)


def test_a_local_model_has_no_seams_and_its_exact_halo_needs_no_figure():
    figures = _figures(tiny_model())
    changes_db = [value for name, value in figures.items() if not name.startswith("spectral")]
    assert len(changes_db) == 6
    assert max(changes_db) < -100
    assert not any(name.startswith("halo") for name in figures)


def test_what_a_measured_halo_costs_is_told_for_the_whole_and_near_the_borders(few_steps):
    figures = few_steps[1]
    whole_db = _only(figures, "halo of 80 frames instead of 40")
    near_db = _only(figures, "the same within 1 s of the borders of windows")
    assert -200 < whole_db < -60
    assert -200 < near_db < -60


def test_noise_moves_with_the_song(few_steps):
    """Or else a shift would give other draws, which say nothing about seams."""
    shifted_db = [value for name, value in few_steps[1].items() if name.startswith("grid")]
    assert len(shifted_db) == 4
    assert max(shifted_db) < -100


def test_the_model_is_left_as_it_was(few_steps):
    assert few_steps[0].config == tiny_model(chunk=SHORT_HALO).config


def test_borders_of_windows_and_of_chunks_are_told_apart_and_counted(few_steps):
    model, figures = few_steps
    plan = Separator(model, SeparationOptions(steps=3)).plan
    stride_samples = plan.stride_frames * plan.hop_samples
    lengths = [SONG.shape[1] + strides * stride_samples for strides in (0, 1, 7, 100, 333)]
    windows = sum(len(plan.window_borders(length)) for length in lengths)
    chunks = sum(len(plan.chunk_borders(length)) for length in lengths)
    told = [int(name.split()[3]) for name in figures if name.startswith("spectral flux")]
    # Those in the silence before a shifted song are left out.
    for count, there in zip(told, (windows, chunks), strict=True):
        assert 0.5 * there < count <= there


def test_borders_of_a_local_model_do_not_stand_out(few_steps):
    for kind in ("windows", "chunks"):
        (value,) = (value for name, value in few_steps[1].items() if f"of {kind} over" in name)
        assert abs(value) < 10


def test_the_seams_of_a_model_that_is_not_local_are_seen(monkeypatch):
    monkeypatch.setitem(NETWORKS, "chunkwide", ChunkwideNetwork)
    figures = _figures(Model(chunkwide_config()).eval(), steps=3)
    assert _only(figures, "grid shifted by 7 strides") > -60
    # A chunk's core is 96 frames: with so much more of a halo the grid is where it was.
    whole_db = _only(figures, "halo of 112 frames instead of 16")
    assert whole_db <= _only(figures, "the same within 1 s of the borders") + 0.1
    assert -100 < whole_db < -40


def test_a_mixture_at_another_rate_is_refused():
    with pytest.raises(ValueError, match="a mixture at 8000 Hz is wanted, got 44100"):
        next(measure_seams(tiny_model(), SeparationOptions(), SONG, 44_100))


def test_stems_without_sound_do_not_change_and_have_no_flux():
    figures = _figures(tiny_model(), np.zeros((2, 2 * RATE_HZ), np.float32))
    assert set(figures.values()) == {-math.inf}


def test_chunks_too_short_for_the_contexts_of_a_model_have_no_figure():
    figures = _figures(tiny_model(chunk={"frames": 2_048, "context_frames": 700}))
    assert figures["chunks of 10 s"] is None
    assert figures["chunks of 25 s"] < -100
