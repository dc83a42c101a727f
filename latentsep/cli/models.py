"""``latentsep models``: what can be loaded, and under which licence."""

import json
from typing import Any

import click


@click.command()
@click.option("--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
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
        click.echo(json.dumps(listed, indent=2))
        return
    for model in listed:
        click.echo("{name}  {licence}  {weights_bytes:,} bytes  {description}".format(**model))
