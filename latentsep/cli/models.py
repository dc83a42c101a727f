"""``latentsep models``: what can be loaded, and under which licence; what cards say of it."""

from pathlib import Path
from typing import Any

import click

from latentsep.cli import options
from latentsep.cli.json_document import print_json


@click.group(invoke_without_command=True)
@click.option(
    "--parts",
    "model",
    help="List the parts of one model instead, with their numbers of parameters: a bundled name, "
    "a model folder, or a training file of a model.",
)
@options.OUTPUT
@click.pass_context
def models(context: click.Context, model: str | None, output: str) -> None:
    """List the bundled models with their licences."""
    if context.invoked_subcommand is not None:
        return
    listed = _bundled() if model is None else _parts(model)
    if output == "json":
        print_json(listed)
        return
    line = (
        "{name}  {licence}  {weights_bytes:,} bytes  {description}"
        if model is None
        else "{part}  {parameters:,}"
    )
    for entry in listed:
        click.echo(line.format(**entry))


@models.command()
@click.argument("model")
@click.option(
    "--scores",
    "score_files",
    type=click.Path(path_type=Path),
    multiple=True,
    required=True,
    help="What `latentsep evaluate --output json` printed of this model; may be repeated.",
)
@click.option("--note", default="", help="Machine and date, for the reader.")
def card(model: str, score_files: tuple[Path, ...], note: str) -> None:
    """Put scores into the card of MODEL, a model folder, in the place of older ones."""
    from latentsep.evaluation.card_scores import complete_card

    click.echo(str(complete_card(model, score_files, note)))


def _bundled() -> list[dict[str, Any]]:
    from latentsep.models.folder import bundled_folder, bundled_names, read_model_file

    listed = []
    for name in bundled_names():
        folder = bundled_folder() / name
        described = read_model_file(folder)
        listed.append(
            {
                "name": name,
                "licence": described.model.licence,
                "description": described.model.description,
                "codec": described.model.codec.name,
                "steps": described.model.sampling.steps,
                "weights_bytes": (folder / described.weights.file).stat().st_size,
                "sha256": described.weights.sha256,
                "folder": str(folder),
            }
        )
    return listed


def _parts(model: str) -> list[dict[str, Any]]:
    """Codec and network, each followed by its own parts."""
    from latentsep.evaluation.model_source import model_settings
    from latentsep.models.model import Model
    from latentsep.models.parameters import parameter_counts

    built = Model(model_settings(model))
    listed: list[dict[str, Any]] = []
    for place in ("latent_space.codec", "network"):
        part = place.rpartition(".")[2]
        counts = parameter_counts(built.get_submodule(place))
        listed.append({"part": part, "parameters": sum(counts.values())})
        listed += [{"part": f"{part}.{name}", "parameters": n} for name, n in counts.items()]
    return listed
