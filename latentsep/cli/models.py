"""``latentsep models``: what can be loaded, and under which licence."""

from typing import Any

import click

from latentsep.cli import options
from latentsep.cli.json_document import print_json


@click.command()
@options.OUTPUT
def models(output: str) -> None:
    """List the bundled models with their licences."""
    from latentsep.models.folder import bundled_folder, bundled_names, read_model_file

    listed: list[dict[str, Any]] = []
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
    if output == "json":
        print_json(listed)
        return
    for model in listed:
        click.echo("{name}  {licence}  {weights_bytes:,} bytes  {description}".format(**model))
