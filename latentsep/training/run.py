"""From a training file to a folder of a model, of a codec, or of the baseline."""

import logging
import os
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
from latentsep.errors import ConfigError
from latentsep.models.codec_folder import fill_codec, save_codec
from latentsep.models.config import explain
from latentsep.models.folder import load_model, save_model
from latentsep.models.model import Model, build_codec
from latentsep.separation.separator import pick_device
from latentsep.training.card import baseline_card, codec_card, model_card
from latentsep.training.codec_task import CodecTask
from latentsep.training.config import CodecTrainConfig, ScheduleConfig, TrainConfig
from latentsep.training.loop import Trainer
from latentsep.training.mask_unet import MaskUNet, save_mask_unet
from latentsep.training.mask_unet_task import MaskUNetTask, MaskUNetTrainConfig
from latentsep.training.mixing import Mixer, PoolPlaces, StemPool, load_pool
from latentsep.training.separation_task import SeparationTask

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
    _check_crop(config, codec, model.network.stride_frames)
    model = model.to(pick_device(config.device))
    pool = _pool(config, codec.sample_rate_hz, data_folder, run_folder)
    mixer = Mixer(pool, config.data, _crop_samples(config, codec), codec.sample_rate_hz)
    trainer = Trainer(config, SeparationTask(config, model, mixer), run_folder)
    trainer.run()
    trainer.use_average()
    save_model(model_folder, model, model_card(config, trainer.progress, pool))


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


def _train_codec(
    config: CodecTrainConfig, data_folder: Path, run_folder: Path, codec_folder: Path
) -> None:
    codec = build_codec(config.codec)
    if not isinstance(codec, StftAeCodec):
        raise ConfigError(f"only the codec 'stft_ae' can be trained, got {config.codec.name!r}")
    _check_crop(config, codec, 1)
    codec = codec.to(pick_device(config.device))
    pool = _pool(config, codec.sample_rate_hz, data_folder, run_folder)
    mixer = Mixer(pool, config.data, _crop_samples(config, codec), codec.sample_rate_hz)
    trainer = Trainer(config, CodecTask(config, codec, mixer), run_folder)
    trainer.run()
    trainer.use_average()
    codec.measure_bands()
    save_codec(codec_folder, config.codec, codec, codec_card(config, trainer.progress, pool))


def _train_mask_unet(
    config: MaskUNetTrainConfig, data_folder: Path, run_folder: Path, baseline_folder: Path
) -> None:
    network = MaskUNet(config.mask_unet)
    if config.crop_frames % network.stride:
        raise ConfigError(
            f"crop_frames must be a multiple of {network.stride}, the network's stride, "
            f"got {config.crop_frames}"
        )
    network = network.to(pick_device(config.device))
    pool = _pool(config, config.mask_unet.sample_rate_hz, data_folder, run_folder)
    # Spectra have a frame for each hop and one more.
    crop_samples = (config.crop_frames - 1) * config.mask_unet.hop_samples
    mixer = Mixer(pool, config.data, crop_samples, config.mask_unet.sample_rate_hz)
    task = MaskUNetTask(config, network, mixer)
    trainer = Trainer(config, task, run_folder)
    trainer.run()
    trainer.use_average()
    task.refresh_statistics(trainer.rng)
    save_mask_unet(baseline_folder, network, baseline_card(config, trainer.progress, pool))


def _pool(
    config: ScheduleConfig, sample_rate_hz: int, data_folder: Path, run_folder: Path
) -> StemPool:
    places = PoolPlaces(
        data_folder, run_folder / "songs", sample_rate_hz, config.seed, len(os.sched_getaffinity(0))
    )
    pool = load_pool(config.data, places)
    logger.info("pool %s", pool.describe())
    return pool


def _crop_samples(config: ScheduleConfig, codec: Codec) -> int:
    return (config.crop_frames - codec.extra_frames) * codec.hop_samples


def _check_crop(config: ScheduleConfig, codec: Codec, stride: int) -> None:
    if config.crop_frames % stride or config.crop_frames <= codec.extra_frames:
        raise ConfigError(
            f"crop_frames must be a multiple of {stride}, the network's stride, above "
            f"{codec.extra_frames}, got {config.crop_frames}"
        )


def _kind(settings: object) -> type[AnyTrainConfig]:
    keys = settings.keys() if isinstance(settings, dict) else set()
    if "model" not in keys and "codec" in keys:
        return CodecTrainConfig
    return MaskUNetTrainConfig if "mask_unet" in keys else TrainConfig


def free_cores() -> int:
    """Cores not busy now, at least one: threads that wait for each other slow everything down."""
    cores = len(os.sched_getaffinity(0))
    return max(1, round(cores - psutil.getloadavg()[0]))
