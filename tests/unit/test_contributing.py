"""The worked example of CONTRIBUTING.md, done as it says."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PLUGIN = """
import small_codecs
from small_codecs import HOP_SAMPLES

from block_dct import BlockDctCodec
from latentsep.codecs import CODECS

CODECS.update({{{codecs_line}}})
small_codecs.OPTIONS.update({{{options_line}}})
"""


@pytest.fixture(scope="module")
def example(tmp_path_factory):
    """The new file, and a pytest plugin that adds the two lines."""
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    module, codecs_line, options_line = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    folder = tmp_path_factory.mktemp("example")
    (folder / "block_dct.py").write_text(module, "utf-8")
    plugin = PLUGIN.format(codecs_line=codecs_line, options_line=options_line)
    (folder / "worked_example.py").write_text(plugin, "utf-8")
    return folder


def _run(example, *command):
    paths = [example, ROOT / "tests" / "unit" / "codecs", ROOT / "tests"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths))}
    return subprocess.run(
        [sys.executable, *command], cwd=ROOT, env=environment, capture_output=True, text=True,
        check=False,
    )  # fmt: skip


def test_the_new_codec_passes_the_contract(example):
    contract = "tests/unit/codecs/test_codec_contract.py"
    done = _run(
        example, "-m", "pytest", "-q", "-p", "worked_example", "-p", "no:cacheprovider",
        "-k", "block_dct", contract,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert int(re.search(r"(\d+) passed", done.stdout)[1]) >= 10


def test_the_new_file_keeps_the_house_rules(example):
    file = example / "block_dct.py"
    done = _run(example, "-m", "ruff", "check", "--config", "pyproject.toml", str(file))
    assert done.returncode == 0, done.stdout + done.stderr
