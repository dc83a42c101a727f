"""The card that is written beside trained weights."""

from collections.abc import Iterable

import yaml

from latentsep.models.model import build_codec, build_objective
from latentsep.training.config import CodecTrainConfig, DataConfig, ScheduleConfig, TrainConfig
from latentsep.training.loop import PICTURE_FILE, Progress
from latentsep.training.mask_unet_task import MaskUNetTrainConfig
from latentsep.training.mixing import StemPool
from latentsep.version import __version__

QUALITY_HEADING = "Quality"
"""Of the section that `latentsep models card` fills in; see ``evaluation.card_scores``."""

MISUSES = (
    "to take apart recordings that you have no right to change",
    "to imitate a singer, or to train on a singer's voice, without the singer's consent",
    "as evidence of what was sung or said: a part of what is heard in a stem may come from other "
    "instruments, or from the model alone",
    "as true stems to score other systems with",
    "where nobody listens and a stray or missing voice does harm",
)
FAILURES = (
    "Instruments whose tone glides as a voice does (solo violin, saxophone, lead synthesiser, "
    "talk box, singing saw) can be taken for vocals; so can samples of voices.",
    "Shouted, whispered and heavily processed voices, and choirs far behind the band, can be lost.",
    "Bleed of drums and cymbals is heard in the vocals' consonants, and reverberation of the "
    "voice may stay in the accompaniment.",
)


def model_card(
    config: TrainConfig, progress: Progress, pool: StemPool, *, picture: bool = False
) -> str:
    """Markdown: what the model is, what it was trained on and how, and what it is not for.

    Args:
        config: the training file.
        progress: at its end.
        pool: what was heard.
        picture: whether the picture of the curve lies beside the card.
    """
    model = config.model
    return f"""# {model.name}

{model.description}

- licence of the weights: {model.licence}
- codec `{model.codec.name}`, network `{model.network.name}`, objective `{model.objective.name}`
{_schedule(config, progress)}

## {QUALITY_HEADING}

Not measured yet: `latentsep models card` puts scores of `latentsep evaluate` here.

## Failure modes

None of these has been counted; they follow from the data and from how the model works.

{_bullets([*FAILURES, *_own_failures(config, pool)])}

## Must not be used

{_bullets(MISUSES)}

{_data(config, pool)}

{_recipe(config, picture)}
"""


def codec_card(
    config: CodecTrainConfig, progress: Progress, pool: StemPool, *, picture: bool = False
) -> str:
    """Markdown: what the codec was trained on, how and for how long; as ``model_card``."""
    return f"""# Codec {config.codec.name}

- options: {config.codec.options}
{_schedule(config, progress)}

{_data(config, pool)}

{_recipe(config, picture)}
"""


def baseline_card(
    config: MaskUNetTrainConfig, progress: Progress, pool: StemPool, *, picture: bool = False
) -> str:
    """Markdown: what the baseline was trained on, how and for how long; as ``model_card``."""
    return f"""# Mask U-Net, a baseline

- settings: {config.mask_unet.model_dump(mode="json")}
{_schedule(config, progress)}

{_data(config, pool)}

{_recipe(config, picture)}
"""


def _schedule(config: ScheduleConfig, progress: Progress) -> str:
    return (
        f"- trained for {progress.elapsed_s / 3600:.2f} hours of wall time, {progress.step} steps "
        f"of {config.batch_items} examples, {progress.skipped_steps} steps skipped as not finite"
    )


def _own_failures(config: TrainConfig, pool: StemPool) -> list[str]:
    """What is to be expected of this data, this codec and this objective."""
    codec = build_codec(config.model.codec)
    failures = [
        f"It heard {len(pool.recorded)} recorded songs: music unlike them is a guess, and what "
        "generated songs taught it holds for these first of all.",
        f"Without the mask its vocals end at {codec.bandwidth_hz / 1000:.1f} kHz and cannot be "
        f"better than what the codec `{config.model.codec.name}` makes of the true ones.",
    ]
    if build_objective(config.model.objective).process == "diffusion":
        failures.append(
            "Vocals are sampled: another seed sings a little otherwise, and where the voice is "
            "masked by the band, syllables can be made up. More steps sound fuller and score lower."
        )
    return failures


def _data(config: ScheduleConfig, pool: StemPool) -> str:
    data = config.data
    return f"""## Training data and licences

{_generated(data)}{len(pool.recorded)} recorded songs, {len(pool.loose_vocals)} loose vocal \
recordings, {len(pool.loose_accompaniment)} loose instruments, \
{len(pool.impulse_responses)} impulse responses.

Sources of the recordings, with their licences:

{_bullets(data.sources)}

Songs that validated the training and were not trained on: {_validated(config)}."""


def _generated(data: DataConfig) -> str:
    counts = [f"{n} {name}" for name, n in data.generated_songs.items() if n]
    if not counts:
        return ""
    return f"Generated songs of {data.generated_song_s:g} s ({', '.join(counts)}), "


def _validated(config: ScheduleConfig) -> str:
    if config.validation is None:
        return "none"
    made = [f"{n} {name} generated" for name, n in config.validation.generated_songs.items()]
    return ", ".join([*(f"`{song}`" for song in config.validation.songs), *made])


def _recipe(config: ScheduleConfig, picture: bool) -> str:
    """What `latentsep train` takes; places of recordings are in the data folder."""
    settings = config.model_dump(mode="json", exclude_defaults=True)
    settings["data"].pop("sources", None)
    text = yaml.safe_dump(settings, sort_keys=False, allow_unicode=True).rstrip()
    curve = f"\n\n![Loss, learning rate and validation]({PICTURE_FILE})" if picture else ""
    return f"""## Recipe

latentsep {__version__}, `latentsep train` with this file; what it does not say is the default \
of that version.

```yaml
{text}
```{curve}"""


def _bullets(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines) or "- none"
