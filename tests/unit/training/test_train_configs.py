"""Every training file of the repository says something that can be built."""

from pathlib import Path

import pytest

from latentsep.models.folder import bundled_folder, read_model_file
from latentsep.models.model import Model, build_codec
from latentsep.separation.options import SeparationOptions
from latentsep.separation.plan import plan_windows
from latentsep.training.config import CodecTrainConfig
from latentsep.training.mask_unet import MaskUNet
from latentsep.training.mask_unet_task import MaskUNetTrainConfig
from latentsep.training.run import read_train_config

FOLDER = Path(__file__).parents[3] / "configs/train"


@pytest.mark.parametrize("file", sorted(FOLDER.glob("*.yaml")), ids=lambda file: file.stem)
def test_every_training_file_builds_what_it_describes(file):
    config = read_train_config(file)
    if isinstance(config, CodecTrainConfig):
        assert build_codec(config.codec).latent_channels > 0
    elif isinstance(config, MaskUNetTrainConfig):
        assert config.crop_frames % MaskUNet(config.mask_unet).stride == 0
    else:
        model = Model(config.model)
        steps = config.model.sampling.steps
        assert plan_windows(model, SeparationOptions(), steps).core_hops > 0
        assert config.crop_frames % model.network.stride_frames == 0


@pytest.mark.parametrize(("file", "name"), [("base", "default"), ("ldm_small", "ldm-small")])
def test_the_file_of_a_bundled_model_can_start_from_it(file, name):
    trained = read_train_config(FOLDER / f"{file}.yaml").model
    bundled = read_model_file(bundled_folder() / name).model
    assert (trained.name, trained.codec, trained.network) == (name, bundled.codec, bundled.network)
