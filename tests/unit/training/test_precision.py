import os
import platform
import subprocess
import sys

import pytest
import torch

from latentsep.training.precision import has_bfloat16

ASK = """
import torch
from latentsep.training.precision import has_bfloat16
print(has_bfloat16(torch.device("cpu")))
"""


@pytest.mark.skipif(platform.machine() != "x86_64", reason="holds x86 to older instructions")
def test_a_cpu_with_avx2_alone_has_to_emulate_it():
    environment = {**os.environ, "ONEDNN_MAX_CPU_ISA": "AVX2"}
    told = subprocess.run(
        [sys.executable, "-c", ASK], env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert told.stdout == "False\n"


@pytest.mark.skipif(platform.machine() != "x86_64", reason="about instructions of x86")
def test_a_cpu_with_avx512_but_no_instructions_for_it_has_to_emulate_it(monkeypatch):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    assert not has_bfloat16(torch.device("cpu"))


def test_a_gpu_is_taken_to_have_it():
    assert has_bfloat16(torch.device("cuda"))
