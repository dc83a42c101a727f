"""Stems of a stored model must stay what they were.

The tolerance of 1e-5 (signals lie within -1..1) is a hundred times what float32 kernels of other
processors and builds differ by, and far below what any change to the algorithm does: see the last
test. If a change is meant, ``make_golden.py`` says how to store the new answers.
"""

import pytest
import torch
from make_golden import EXPECTED_FILE, MODEL_FOLDER, SEPARATIONS, separated, trajectory
from safetensors.torch import load_file

from latentsep.models.folder import load_model

TOLERANCE = 1e-5


@pytest.fixture
def model():
    return load_model(MODEL_FOLDER)


@pytest.fixture(scope="module")
def expected():
    return load_file(EXPECTED_FILE)


@pytest.mark.parametrize("name", sorted(SEPARATIONS))
def test_stems_are_what_they_were(model, expected, name):
    torch.testing.assert_close(separated(model, name), expected[name], rtol=0, atol=TOLERANCE)


def test_every_state_of_three_steps_is_what_it_was(model, expected):
    states = trajectory(model)
    assert len(states) == 4
    for step, (state, wanted) in enumerate(zip(states, expected["trajectory"], strict=True)):
        torch.testing.assert_close(
            state, wanted, rtol=0, atol=TOLERANCE, msg=lambda text, s=step: f"state {s}: {text}"
        )


def test_one_weight_changed_by_a_hundredth_would_be_noticed(model, expected):
    model.network.conv_out.weight[0, 0, 1] *= 1.01
    assert (trajectory(model) - expected["trajectory"]).abs().max() > 10 * TOLERANCE
