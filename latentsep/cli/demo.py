"""``latentsep demo``: generate a small folder of songs, separate it, say how well."""

from pathlib import Path

import click

from latentsep.cli import options
from latentsep.cli.separate import separate


@click.command()
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path),
    default="demo",
    show_default=True,
    help="Folder for songs and stems.",
)
@options.MODEL
@click.pass_context
def demo(context: click.Context, out: Path, model: str) -> None:
    """Generate a few songs, separate them, and score the stems."""
    from latentsep.audio.decode import Decoder
    from latentsep.evaluation.demo import score_stems, write_songs
    from latentsep.models.folder import find_model

    find_model(model)
    songs = write_songs(out / "songs")
    click.echo(f"generated {len(songs)} songs in {out / 'songs'}")
    stems = out / "stems"
    context.invoke(separate, inputs=(str(out / "songs"),), out=stems, model=model, overwrite=True)
    with Decoder() as decoder:
        for song in songs:
            vocals = stems / options.model_label(model) / song.path.stem / "vocals.flac"
            before_db, after_db = score_stems(song, vocals, decoder)
            click.echo(
                f"{song.path.name:24} vocals SDR {_db(before_db)} in the mixture, "
                f"{_db(after_db)} in {vocals}"
            )
    click.echo(f"Listen to {stems}; separate your own: latentsep separate SONG.mp3 -o {stems}")


def _db(value: float | None) -> str:
    return "undefined (silent vocals)" if value is None else f"{value:5.2f} dB"
