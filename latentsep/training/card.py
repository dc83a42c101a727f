"""The model card that is written beside trained weights."""

from collections.abc import Iterable

from latentsep.training.config import TrainConfig
from latentsep.training.loop import Progress
from latentsep.training.mixing import StemPool


def model_card(config: TrainConfig, progress: Progress, pool: StemPool) -> str:
    """Markdown: what the model is, what it was trained on and for how long."""
    model = config.model
    data = config.data
    sources = [*data.songs, *data.vocals, *data.accompaniment, *data.impulse_responses]
    listed = _bullets(f"`{source}`" for source in sources)
    return f"""# {model.name}

{model.description}

- licence of the weights: {model.licence}
- codec `{model.codec.name}`, network `{model.network.name}`, objective `{model.objective.name}`
- trained for {progress.elapsed_s / 3600:.2f} hours of wall time, {progress.step} steps of \
{config.batch_items} examples, {progress.skipped_steps} steps skipped as not finite

## Training data

{len(pool.generated)} generated songs of {data.generated_song_s:g} s, \
{len(pool.recorded)} recorded songs, {len(pool.loose_vocals)} loose vocal \
recordings, {len(pool.loose_accompaniment)} loose instruments, \
{len(pool.impulse_responses)} impulse responses.

Sources of the recordings:

{_bullets(data.sources)}

Their places in the data folder:

{listed}
"""


def _bullets(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines) or "- none"
