"""From a training file to a model folder."""

import logging
import os
from pathlib import Path

import psutil
import torch
import yaml
from pydantic import ValidationError

from latentsep.audio.folders import make_writable
from latentsep.errors import ConfigError
from latentsep.models.config import explain
from latentsep.models.folder import save_model
from latentsep.models.model import Model
from latentsep.training.card import model_card
from latentsep.training.config import TrainConfig
from latentsep.training.loop import Trainer
from latentsep.training.mixing import Mixer, PoolPlaces, load_pool

logger = logging.getLogger(__name__)


def read_train_config(path: Path) -> TrainConfig:
    """Read a YAML file of ``configs/train``.

    Raises:
        ConfigError: unreadable, not YAML, or with unknown or impossible settings.
    """
    try:
        return TrainConfig.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error
    except ValidationError as error:
        raise ConfigError(f"{path}: {explain(error)}") from error


def train(config: TrainConfig, data_folder: Path, run_folder: Path, model_folder: Path) -> None:
    """Train to the end of the schedule and write the model folder.

    Args:
        config: what to train.
        data_folder: recorded stems; paths in the configuration are relative to it.
        run_folder: checkpoints, the curve and generated songs; a second call goes on from there.
        model_folder: where the finished model goes.

    Raises:
        ConfigError: a folder cannot be written, or a setting does not fit the model.
        AudioDecodeError: a recorded stem cannot be read.
    """
    for folder in (run_folder, model_folder):
        make_writable(folder)
    torch.set_num_threads(config.threads or free_cores())
    torch.manual_seed(config.seed)
    model = Model(config.model)
    codec = model.latent_space.codec
    stride = model.network.stride_frames
    if config.crop_frames % stride or config.crop_frames <= codec.extra_frames:
        raise ConfigError(
            f"crop_frames must be a multiple of {stride}, the network's stride, above "
            f"{codec.extra_frames}, got {config.crop_frames}"
        )
    places = PoolPlaces(
        data_folder,
        run_folder / "songs",
        codec.sample_rate_hz,
        config.seed,
        len(os.sched_getaffinity(0)),
    )
    pool = load_pool(config.data, places)
    logger.info("pool %s", pool.describe())
    crop_samples = (config.crop_frames - codec.extra_frames) * codec.hop_samples
    trainer = Trainer(config, model, Mixer(pool, config.data, crop_samples), run_folder)
    trainer.run()
    save_model(model_folder, trainer.averaged_model(), model_card(config, trainer.progress, pool))


def free_cores() -> int:
    """Cores not busy now, at least one: threads that wait for each other slow everything down."""
    cores = len(os.sched_getaffinity(0))
    return max(1, round(cores - psutil.getloadavg()[0]))
