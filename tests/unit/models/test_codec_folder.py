import pytest
import torch
import yaml
from tiny_models import randomise, tiny_config

from latentsep.errors import ModelError
from latentsep.models.codec_folder import CODEC_FILE, TENSORS_FILE, fill_codec, save_codec
from latentsep.models.config import PartConfig
from latentsep.models.model import Model, build_codec

PART = PartConfig(
    name="stft_ae",
    options={"sample_rate_hz": 8_000, "hop_samples": 64, "mid_bins": 32, "side_bins": 16,
             "planes": [8, 4], "width": 8, "blocks": 1},
)  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    codec = build_codec(PART)
    randomise(codec, 1)
    save_codec(tmp_path / "codec", PART, codec, "card")
    return tmp_path / "codec"


def _space():
    return Model(tiny_config(codec=PART)).latent_space


def test_a_latent_space_takes_the_codec_of_a_folder(folder):
    space, twin = _space(), _space()
    for one in (space, twin):
        fill_codec(one, PART, folder)
    waveform = torch.randn((1, 2, 640), generator=torch.Generator().manual_seed(0))
    assert torch.equal(space.encode(waveform), twin.encode(waveform))
    assert space.encode(waveform).any()


def test_another_codec_than_the_models_is_refused_with_both(folder):
    other = PART.model_copy(update={"options": {**PART.options, "width": 9}})
    with pytest.raises(ModelError, match="'width': 8") as caught:
        fill_codec(_space(), other, folder)
    assert "'width': 9" in str(caught.value)


def test_a_damaged_file_is_named(folder):
    (folder / TENSORS_FILE).write_bytes(b"other")
    with pytest.raises(ModelError, match="has sha256"):
        fill_codec(_space(), PART, folder)


@pytest.mark.parametrize("text", ["codec: [", "codec: {name: stft_ae}"])
def test_a_description_that_cannot_be_read_is_named(folder, text):
    (folder / CODEC_FILE).write_text(text, "utf-8")
    with pytest.raises(ModelError, match=CODEC_FILE):
        fill_codec(_space(), PART, folder)


def test_a_folder_that_is_no_codec_is_named(tmp_path):
    with pytest.raises(ModelError, match=r"nosuch/codec\.yaml cannot be read"):
        fill_codec(_space(), PART, tmp_path / "nosuch")


def test_tensors_of_other_shapes_are_listed(folder):
    described = yaml.safe_load((folder / CODEC_FILE).read_text("utf-8"))
    described["codec"]["options"]["width"] = 9
    (folder / CODEC_FILE).write_text(yaml.safe_dump(described), "utf-8")
    part = PART.model_copy(update={"options": {**PART.options, "width": 9}})
    with pytest.raises(ModelError, match="of another shape"):
        fill_codec(Model(tiny_config(codec=part)).latent_space, part, folder)
