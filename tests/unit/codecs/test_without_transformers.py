import subprocess
import sys

import pytest
from small_codecs import OPTIONS

from latentsep.codecs import CODECS
from latentsep.errors import ModelError
from latentsep.models.config import PartConfig
from latentsep.models.model import build_codec

NAMES = ["dac_44khz", "encodec_24khz", "encodec_48khz"]


@pytest.mark.parametrize("name", NAMES)
def test_building_says_in_one_line_what_to_install(name, monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(
        ModelError, match=r"needs .*transformers.*pip install 'latentsep\[codecs\]'"
    ) as caught:
        build_codec(PartConfig(name=name, options=OPTIONS[name]))
    assert "\n" not in str(caught.value)


def test_the_other_codecs_are_built_without_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    for name in sorted(set(CODECS) - set(NAMES)):
        CODECS[name](**OPTIONS[name])


def test_importing_the_codecs_imports_none_of_it():
    code = (
        "import sys, latentsep.codecs, latentsep.codecs.pretrained, latentsep.models.folder;"
        "print(sorted({'transformers', 'huggingface_hub'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "[]\n"
