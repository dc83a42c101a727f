"""The model card that is written beside trained weights."""

from latentsep.training.config import TrainConfig
from latentsep.training.loop import Progress
from latentsep.training.mixing import StemPool


def model_card(config: TrainConfig, progress: Progress, pool: StemPool) -> str:
    """Markdown: what the model is, what it was trained on and for how long."""
    model = config.model
    data = config.data
    sources = [*data.songs, *data.vocals, *data.accompaniment, *data.impulse_responses]
    listed = "\n".join(f"- `{source}`" for source in sources) or "- none"
    return f"""# {model.name}

{model.description}

- licence of the weights: {model.licence}
- codec `{model.codec.name}`, network `{model.network.name}`, objective `{model.objective.name}`
- trained for {progress.elapsed_s / 3600:.2f} hours of wall time, {progress.step} steps of \
{config.batch_items} examples, {progress.skipped_steps} steps skipped as not finite

## Training data

{pool.describe()}

Recorded stems, relative to the data folder:

{listed}
"""
