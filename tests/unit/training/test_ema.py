import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from latentsep.training.ema import Ema


def _module(value):
    module = nn.Linear(2, 1)
    nn.init.constant_(module.weight, value)
    nn.init.constant_(module.bias, -value)
    return module


@given(
    decay=st.floats(0, 0.999),
    values=st.lists(st.floats(-10, 10), min_size=1, max_size=12),
)
def test_each_update_moves_by_the_share_of_its_step(decay, values):
    ema = Ema(_module(1.0), decay)
    expected = 1.0
    for step, value in enumerate(values):
        ema.update(_module(value), step)
        kept = min(decay, (1 + step) / (10 + step))
        expected = kept * expected + (1 - kept) * value
    followed = _module(0.0)
    ema.copy_to(followed)
    assert followed.weight.flatten().tolist() == pytest.approx([expected] * 2, abs=1e-4)
    assert followed.bias.item() == pytest.approx(-expected, abs=1e-4)


def test_the_first_steps_worked_by_hand():
    ema = Ema(_module(0.0), decay=0.999)
    # 1/10 of 0 and 9/10 of 1; then 2/11 of 0.9 and 9/11 of 2.
    ema.update(_module(1.0), step=0)
    assert ema.state()[0][0, 0].item() == pytest.approx(0.9)
    ema.update(_module(2.0), step=1)
    assert ema.state()[0][0, 0].item() == pytest.approx(0.9 * 2 / 11 + 18 / 11)


def test_late_in_training_the_wanted_decay_holds():
    ema = Ema(_module(0.0), decay=0.9)
    ema.update(_module(1.0), step=10_000)
    assert ema.state()[0][0, 0].item() == pytest.approx(0.1)


def test_the_average_is_a_copy_and_needs_no_gradient():
    module = _module(1.0)
    ema = Ema(module, 0.5)
    with torch.no_grad():
        module.weight.fill_(9.0)
    assert ema.state()[0].tolist() == [[1.0, 1.0]]
    assert not ema.state()[0].requires_grad


def test_a_restored_average_goes_on_as_the_saved_one():
    first, second = Ema(_module(1.0), 0.5), Ema(_module(5.0), 0.5)
    second.restore([value.clone() for value in first.state()])
    for ema in (first, second):
        ema.update(_module(3.0), step=100)
    assert [value.tolist() for value in first.state()] == [v.tolist() for v in second.state()]
