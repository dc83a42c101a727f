import pytest
import torch
from torch import nn

from latentsep.evaluation.device_peak import count_macs, measure_peak_flops


def test_multiply_adds_of_a_convolution_are_counted():
    conv = nn.Conv1d(3, 5, 7, padding=3)
    assert count_macs(lambda: conv(torch.zeros(2, 3, 100))) == 2 * 100 * 3 * 5 * 7


def test_multiply_adds_of_attention_are_those_of_its_two_products():
    query = torch.zeros(1, 4, 50, 8)
    work = nn.functional.scaled_dot_product_attention
    assert count_macs(lambda: work(query, query, query)) == 2 * 4 * 50 * 50 * 8


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_peak_is_above_what_a_small_product_reaches(dtype):
    assert measure_peak_flops(torch.device("cpu"), dtype) > 1e8
