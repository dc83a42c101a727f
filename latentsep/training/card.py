"""The card that is written beside trained weights."""

from collections.abc import Iterable

from latentsep.training.config import CodecTrainConfig, DataConfig, ScheduleConfig, TrainConfig
from latentsep.training.loop import Progress
from latentsep.training.mask_unet_task import MaskUNetTrainConfig
from latentsep.training.mixing import StemPool


def model_card(config: TrainConfig, progress: Progress, pool: StemPool) -> str:
    """Markdown: what the model is, what it was trained on and for how long."""
    model = config.model
    return f"""# {model.name}

{model.description}

- licence of the weights: {model.licence}
- codec `{model.codec.name}`, network `{model.network.name}`, objective `{model.objective.name}`
{_schedule(config, progress)}

{_data(config.data, pool)}
"""


def codec_card(config: CodecTrainConfig, progress: Progress, pool: StemPool) -> str:
    """Markdown: what the codec was trained on and for how long."""
    return f"""# Codec {config.codec.name}

- options: {config.codec.options}
{_schedule(config, progress)}

{_data(config.data, pool)}
"""


def baseline_card(config: MaskUNetTrainConfig, progress: Progress, pool: StemPool) -> str:
    """Markdown: what the baseline was trained on and for how long."""
    return f"""# Mask U-Net, a baseline

- settings: {config.mask_unet.model_dump(mode="json")}
{_schedule(config, progress)}

{_data(config.data, pool)}
"""


def _schedule(config: ScheduleConfig, progress: Progress) -> str:
    return (
        f"- trained for {progress.elapsed_s / 3600:.2f} hours of wall time, {progress.step} steps "
        f"of {config.batch_items} examples, {progress.skipped_steps} steps skipped as not finite"
    )


def _data(data: DataConfig, pool: StemPool) -> str:
    sources = [*data.songs, *data.vocals, *data.accompaniment, *data.impulse_responses]
    return f"""## Training data

{len(pool.generated)} generated songs of {data.generated_song_s:g} s, \
{len(pool.recorded)} recorded songs, {len(pool.loose_vocals)} loose vocal \
recordings, {len(pool.loose_accompaniment)} loose instruments, \
{len(pool.impulse_responses)} impulse responses.

Sources of the recordings:

{_bullets(data.sources)}

Their places in the data folder:

{_bullets(f"`{source}`" for source in sources)}"""


def _bullets(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines) or "- none"
