"""A local model gives the same stems wherever its windows and chunks start.

Design: shifting the grid by whole strides changes the output by at most -60 dB. Weights are random
and not zero, so everything that can leak does.

A model that is not local depends on the grid of its chunks, but hardly on where windows are cut.
"""

import numpy as np
import pytest
from tiny_models import (
    HOP_SAMPLES,
    RATE_HZ,
    STRIDE_FRAMES,
    ChunkwideNetwork,
    chunkwide_config,
    difference_db,
    noise_waveform,
    tiny_model,
)

from latentsep.denoisers import NETWORKS
from latentsep.errors import ConfigError
from latentsep.models.model import Model
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


@pytest.mark.parametrize("refinement", ["off", "mask", "blend"])
@pytest.mark.parametrize("options", [{"segment_s": 1.0}, {"segment_s": 3.2}, {"overlap": 0.7}])
def test_draws_and_blending_leave_no_seams(options, refinement):
    model = tiny_model()
    before = _vocals(model, steps=2, draws=2, refinement=refinement)
    after = _vocals(model, steps=2, draws=2, refinement=refinement, **options)
    assert difference_db(after, before) < SEAMLESS_DB


def test_a_measured_halo_changes_less_the_longer_it_is():
    def changed_db(halo_frames):
        chunk = {"frames": 128, "context_frames": 40, "halo_frames": halo_frames}
        return difference_db(_vocals(tiny_model(chunk=chunk), steps=6), exact)

    exact = _vocals(tiny_model(), steps=6)
    changes_db = [changed_db(halo_frames) for halo_frames in (0, 40, 80, 200)]
    assert changes_db == sorted(changes_db, reverse=True)
    assert SEAMLESS_DB > changes_db[0] > changes_db[-1]


@pytest.fixture
def chunkwide(monkeypatch):
    """Builds models that are not local."""
    monkeypatch.setitem(NETWORKS, "chunkwide", ChunkwideNetwork)
    return lambda halo_frames=None: Model(chunkwide_config(halo_frames)).eval()


def test_the_chunks_of_a_network_that_is_not_local_do_matter(chunkwide):
    """Or else the tests below would show nothing."""
    model = chunkwide()
    assert not model.network.local
    assert difference_db(_vocals(model, segment_s=1.3), _vocals(model)) > -40


CHUNK_CORE_FRAMES = 96
"""Of these models: halos that differ by whole ones leave the grid of chunks where it is."""


def test_one_step_of_such_a_network_leaves_no_seam_between_windows(chunkwide):
    longer = 16 + CHUNK_CORE_FRAMES
    assert Separator(chunkwide(longer)).plan != Separator(chunkwide()).plan
    np.testing.assert_array_equal(_vocals(chunkwide(longer)), _vocals(chunkwide()))


@pytest.mark.parametrize("steps", [3, 6])
def test_with_more_steps_it_depends_less_on_windows_the_longer_their_halo(chunkwide, steps):
    halos = [16 + cores * CHUNK_CORE_FRAMES for cores in (0, 1, 2, 8)]
    *stems, longest = [_vocals(chunkwide(halo), steps=steps) for halo in halos]
    changes_db = [difference_db(vocals, longest) for vocals in stems]
    assert changes_db == sorted(changes_db, reverse=True)
    assert changes_db[0] > changes_db[-1] + 20
