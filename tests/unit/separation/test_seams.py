"""A local model gives the same stems wherever its windows and chunks start.

Design: shifting the grid by whole strides changes the output by at most -60 dB. Weights are random
and not zero, so everything that can leak does.
"""

import numpy as np
import pytest
from tiny_models import (
    HOP_SAMPLES,
    RATE_HZ,
    STRIDE_FRAMES,
    difference_db,
    noise_waveform,
    tiny_model,
)

from latentsep.errors import ConfigError
from latentsep.separation.options import SeparationOptions
from latentsep.separation.separator import Separator

SEAMLESS_DB = -60
TRACK = noise_waveform(0, 12_345)
STRIDE_SAMPLES = STRIDE_FRAMES * HOP_SAMPLES
NOISELESS = {"name": "bridge", "options": {"spread": 0.0}}


def _vocals(model, track=TRACK, **options):
    separator = Separator(model, SeparationOptions(**options))
    return separator.separate(track, RATE_HZ, "track").vocals


def _shifted(track, samples):
    return np.pad(track, ((0, 0), (samples, 0)))


@pytest.mark.parametrize("refinement", ["off", "mask"])
@pytest.mark.parametrize("steps", [1, 2, 4])
@pytest.mark.parametrize("strides", [1, 2, 5])
def test_silence_before_the_track_moves_the_stems_and_nothing_else(strides, steps, refinement):
    model = tiny_model(objective=NOISELESS)
    shift = strides * STRIDE_SAMPLES
    before = _vocals(model, steps=steps, refinement=refinement)
    after = _vocals(model, _shifted(TRACK, shift), steps=steps, refinement=refinement)
    assert difference_db(after[:, shift:], before) < SEAMLESS_DB


@pytest.mark.parametrize("options", [{"segment_s": 1.0}, {"segment_s": 3.2}, {"overlap": 0.7}])
@pytest.mark.parametrize("steps", [1, 2, 3])
def test_other_chunks_give_the_same_stems_noise_and_all(options, steps):
    model = tiny_model()
    before = _vocals(model, steps=steps)
    after = _vocals(model, steps=steps, **options)
    assert difference_db(after, before) < SEAMLESS_DB


@pytest.mark.parametrize("steps", [1, 2])
def test_another_batch_size_gives_the_same_stems_up_to_rounding(steps):
    model = tiny_model()
    before = _vocals(model, steps=steps, batch_chunks=1)
    assert difference_db(_vocals(model, steps=steps, batch_chunks=5), before) < -100


@pytest.mark.parametrize("window_samples", [64, 256, 512, 1_024])
def test_the_masks_grid_leaves_no_seams(window_samples):
    """The mask's frames start anew in each window; they fall on the same samples."""
    model = tiny_model(refinement={"window_samples": window_samples})
    before = _vocals(model, refinement="mask")
    after = _vocals(model, refinement="mask", segment_s=3.2)
    assert difference_db(after, before) < SEAMLESS_DB


@pytest.mark.parametrize("window_samples", [200, 384, 4_096])
def test_a_mask_whose_grid_would_leave_seams_is_refused(window_samples):
    """Windows start on strides of 256 samples; frames that do not leave seams of -27 to -36 dB."""
    model = tiny_model(refinement={"window_samples": window_samples})
    with pytest.raises(ConfigError, match=rf"window_samples.* got {window_samples}"):
        Separator(model)


def test_what_comes_after_does_not_reach_back_beyond_a_window():
    """A stream need not wait for its end."""
    model = tiny_model()
    other = np.concatenate([TRACK[:, :6_000], noise_waveform(1, 6_345)], axis=1)
    plan = Separator(model).plan
    same = 6_000 - (plan.window_samples - plan.halo_samples)
    before, after = _vocals(model), _vocals(model, other)
    np.testing.assert_array_equal(after[:, :same], before[:, :same])
    assert (after != before).any()
