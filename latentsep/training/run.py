"""From a training file to a folder of a model, of a codec, or of the baseline."""

import logging
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import psutil
import torch
import yaml
from pydantic import ValidationError

from latentsep.audio.folders import make_writable
from latentsep.codecs import Codec
from latentsep.codecs.pretrained import load_pretrained
from latentsep.codecs.stft_ae import StftAeCodec
from latentsep.codecs.transformers_codec import TransformersCodec
from latentsep.denoisers.posterior_unet2d import PosteriorUNet2d
from latentsep.denoisers.unet2d import UNet2d
from latentsep.errors import ConfigError
from latentsep.models.codec_folder import fill_codec, save_codec
from latentsep.models.config import explain
from latentsep.models.folder import load_model, save_model
from latentsep.models.model import Model, build_codec
from latentsep.separation.separator import pick_device
from latentsep.training.card import baseline_card, codec_card, model_card
from latentsep.training.codec_task import CodecTask
from latentsep.training.config import CodecTrainConfig, ScheduleConfig, TrainConfig
from latentsep.training.frame_grid import FrameGrid
from latentsep.training.loop import PICTURE_FILE, Trainer
from latentsep.training.mask_unet import MaskUNet, save_mask_unet
from latentsep.training.mask_unet_task import MaskUNetTask, MaskUNetTrainConfig
from latentsep.training.mixing import Mixer, PoolPlaces, load_pool
from latentsep.training.separation_task import SeparationTask
from latentsep.training.validation import Excerpts, check_held_out, load_excerpts

logger = logging.getLogger(__name__)

AnyTrainConfig = TrainConfig | CodecTrainConfig | MaskUNetTrainConfig


def read_train_config(path: Path) -> AnyTrainConfig:
    """Read a YAML file of ``configs/train``: of a model, of a codec, or of the baseline.

    Raises:
        ConfigError: unreadable, not YAML, or with unknown or impossible settings.
    """
    try:
        settings = yaml.safe_load(path.read_text(encoding="utf-8"))
        return _kind(settings).model_validate(settings)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error
    except ValidationError as error:
        raise ConfigError(f"{path}: {explain(error)}") from error


def train(config: AnyTrainConfig, data_folder: Path, run_folder: Path, out_folder: Path) -> None:
    """Train to the end of the schedule and write the folder of what was trained.

    Args:
        config: what to train.
        data_folder: recorded stems; paths in the configuration are relative to it.
        run_folder: checkpoints, the curve and generated songs; a second call goes on from there.
        out_folder: where the finished model, codec or baseline goes.

    Raises:
        ConfigError: a folder cannot be written, or a setting does not fit the model.
        ModelError: the codec's weights do not fit it.
        AudioDecodeError: a recorded stem cannot be read.
    """
    for folder in (run_folder, out_folder):
        make_writable(folder)
    torch.set_num_threads(config.threads or free_cores())
    torch.manual_seed(config.seed)
    if isinstance(config, CodecTrainConfig):
        _train_codec(config, data_folder, run_folder, out_folder)
    elif isinstance(config, MaskUNetTrainConfig):
        _train_mask_unet(config, data_folder, run_folder, out_folder)
    else:
        _train_model(config, data_folder, run_folder, out_folder)


def _train_model(
    config: TrainConfig, data_folder: Path, run_folder: Path, model_folder: Path
) -> None:
    model = Model(config.model)
    codec = model.latent_space.codec
    model.latent_space.requires_grad_(False)
    if config.start_from is None:
        _fill_codec(model, config)
    else:
        _fill_from(model, config.start_from)
    if config.conditioner_from is not None:
        _begin_conditioner(model, config.conditioner_from)
    model = model.to(pick_device(config.device))
    heard = _listen(config, _grid(codec, model.network.stride_frames), data_folder, run_folder)
    task = SeparationTask(config, model, heard.mixer)
    trainer = Trainer(config, task, run_folder, heard.excerpts)
    trainer.run()
    trainer.use_average()
    picture = _copy_picture(run_folder, model_folder)
    card = model_card(config, trainer.progress, heard.mixer.pool, picture=picture)
    save_model(model_folder, model, card)


def _fill_codec(model: Model, config: TrainConfig) -> None:
    """Give a codec that was trained before its weights; a checkpoint does not hold them."""
    codec, source = model.latent_space.codec, config.codec_weights
    if isinstance(codec, TransformersCodec) and source is not None:
        load_pretrained(codec, source, config.codec_revision)
    elif source is not None:
        fill_codec(model.latent_space, config.model.codec, Path(source))
    elif any(True for _ in model.latent_space.parameters()):
        raise ConfigError(
            f"the codec {config.model.codec.name!r} has weights and none are given; set "
            "codec_weights to where they are"
        )


def _fill_from(model: Model, source: str) -> None:
    """Begin with the weights and the scale of a trained model."""
    found = load_model(source)
    for part in ("codec", "network"):
        wanted, given = getattr(model.config, part), getattr(found.config, part)
        if wanted != given:
            raise ConfigError(
                f"start_from {source!r} has the {part} {given.name!r} {given.options}, the "
                f"training asks for {wanted.name!r} {wanted.options}; they must be the same"
            )
    model.load_state_dict(found.state_dict())


def _begin_conditioner(model: Model, source: str) -> None:
    """Begin a conditioner with the levels inside a network that separates."""
    own, given = model.network, load_model(source).network
    if not isinstance(own, PosteriorUNet2d) or not isinstance(given, UNet2d):
        raise ConfigError(
            f"conditioner_from {source!r}: the network of the training must be a posterior_unet2d "
            f"and that of the source a unet2d; that of the training is {type(own).__name__}, that "
            f"of the source {type(given).__name__}; leave it out or take another source"
        )
    try:
        own.conditioner.begin_inside(given)
    except ValueError as error:
        raise ConfigError(f"conditioner_from {source!r}: {error}") from error


def _train_codec(
    config: CodecTrainConfig, data_folder: Path, run_folder: Path, codec_folder: Path
) -> None:
    codec = build_codec(config.codec)
    if not isinstance(codec, StftAeCodec):
        raise ConfigError(f"only the codec 'stft_ae' can be trained, got {config.codec.name!r}")
    codec = codec.to(pick_device(config.device))
    heard = _listen(config, _grid(codec, 1), data_folder, run_folder)
    task = CodecTask(config, codec, heard.mixer)
    trainer = Trainer(config, task, run_folder, heard.excerpts)
    trainer.run()
    trainer.use_average()
    codec.measure_bands()
    picture = _copy_picture(run_folder, codec_folder)
    card = codec_card(config, trainer.progress, heard.mixer.pool, picture=picture)
    save_codec(codec_folder, config.codec, codec, card)


def _train_mask_unet(
    config: MaskUNetTrainConfig, data_folder: Path, run_folder: Path, baseline_folder: Path
) -> None:
    shape = config.mask_unet
    network = MaskUNet(shape).to(pick_device(config.device))
    # Spectra have a frame for each hop and one more.
    grid = FrameGrid(shape.sample_rate_hz, shape.hop_samples, network.stride, extra_frames=1)
    heard = _listen(config, grid, data_folder, run_folder)
    task = MaskUNetTask(config, network, heard.mixer)
    trainer = Trainer(config, task, run_folder, heard.excerpts)
    trainer.run()
    trainer.use_average()
    task.settle(trainer.rng)
    picture = _copy_picture(run_folder, baseline_folder)
    card = baseline_card(config, trainer.progress, heard.mixer.pool, picture=picture)
    save_mask_unet(baseline_folder, network, card)


@dataclass(frozen=True)
class _Heard:
    """What a training hears, and what it is looked at with."""

    mixer: Mixer
    excerpts: Excerpts | None


def _listen(config: ScheduleConfig, grid: FrameGrid, data_folder: Path, run_folder: Path) -> _Heard:
    """Read and make all songs; what cannot be is refused first.

    Raises:
        ConfigError: an example's length does not fit, a song is trained on and validated with, or a
            song cannot be found.
        AudioDecodeError: a stem cannot be read.
    """
    crop_samples = grid.crop_samples(config.crop_frames)
    rate_hz, validation = grid.sample_rate_hz, config.validation
    workers = len(os.sched_getaffinity(0))
    places = PoolPlaces(data_folder, run_folder / "songs", rate_hz, config.seed, workers)
    excerpts = None
    if validation is not None:
        check_held_out(config.data, validation, data_folder)
        excerpts = load_excerpts(validation, places, grid.samples_of(validation.excerpt_s))
        logger.info("validation excerpts=%d", len(excerpts))
    pool = load_pool(config.data, places)
    logger.info("pool %s", pool.describe())
    return _Heard(Mixer(pool, config.data, crop_samples, rate_hz), excerpts)


def _grid(codec: Codec, stride_frames: int) -> FrameGrid:
    return FrameGrid(codec.sample_rate_hz, codec.hop_samples, stride_frames, codec.extra_frames)


def _copy_picture(run_folder: Path, out_folder: Path) -> bool:
    """Put the picture of the curve where the card goes; whether there is one."""
    picture = run_folder / PICTURE_FILE
    if picture.exists():
        shutil.copyfile(picture, out_folder / PICTURE_FILE)
    return picture.exists()


def _kind(settings: object) -> type[AnyTrainConfig]:
    keys = settings.keys() if isinstance(settings, dict) else set()
    if "model" not in keys and "codec" in keys:
        return CodecTrainConfig
    return MaskUNetTrainConfig if "mask_unet" in keys else TrainConfig


def free_cores() -> int:
    """Cores not busy now, at least one: threads that wait for each other slow everything down."""
    cores = len(os.sched_getaffinity(0))
    return max(1, round(cores - psutil.getloadavg()[0]))
