"""One HTML page of a report: everything is inside it, and nothing of it is fetched."""

import base64
import hashlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from latentsep.quantities import size_text
from latentsep.report import charts, summary, texts
from latentsep.report.document import HIGHEST_HZ, LOWEST_HZ, Report, StemView
from latentsep.report.spectrogram import png_of

SECTIONS = {
    "summary": "Summary",
    "comparison": "Comparison",
    "quality": "Quality",
    "tracks": "Tracks to hear",
    "rejects": "Rejects",
    "time": "Time",
    "run": "What was run",
}
"""Parts that have a heading, in their order on the page, with their names in the contents."""

_FOLDER = Path(__file__).parent / "templates"
_FREQUENCY_TICKS = 5


def page_html(report: Report, *, live: bool = False) -> str:
    """The page.

    Every text of the report shows as text. The page's own policy lets it load nothing and run
    nothing; ``live`` alone adds one script, which asks the server it came from for newer parts.
    """
    return page_of(page_parts(report), f"{report.state}: {report.out}", live=live)


def page_of(parts: Mapping[str, str], title: str, *, live: bool = False) -> str:
    """The page that consists of these parts."""
    style, script = _inline("style.css"), _inline("live.js") if live else None
    return (
        _environment()
        .get_template("page.html")
        .render(
            title=title,
            parts={name: Markup(html) for name, html in parts.items()},
            style=Markup(style),
            script=None if script is None else Markup(script),
            policy=content_policy(live=live),
        )
    )


def page_parts(report: Report) -> dict[str, str]:
    """HTML of each part; empty where there is nothing to show.

    Each stands alone and has the same name in every report, so that a live page can exchange it.
    """
    sections = {name: _render(name, report) for name in SECTIONS}
    contents = {name: title for name, title in SECTIONS.items() if sections[name]}
    return {
        "head": _render("head", report),
        "contents": _render("contents", report, contents=contents),
        "problems": _render("problems", report),
        **sections,
        "made": _render("made", report),
    }


def digest_of(html: str) -> str:
    """Tells one version of a part from another."""
    return hashlib.sha256(html.encode(errors="backslashreplace")).hexdigest()[:16]


def content_policy(*, live: bool) -> str:
    """The Content-Security-Policy of a page: what is not in it is not loaded."""
    allowed = [
        "default-src 'none'",
        "img-src data:",
        "media-src data:",
        f"style-src {_source_hash('style.css')}",
        "base-uri 'none'",
        "form-action 'none'",
    ]
    if live:
        allowed += [f"script-src {_source_hash('live.js')}", "connect-src 'self'"]
    return "; ".join(allowed)


def _render(name: str, report: Report, **further: object) -> str:
    html = _environment().get_template(f"{name}.html").render(report=report, **further)
    return html.strip()


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "size": size_text,
        "time": texts.time_text,
        "place": texts.place_text,
        "number": texts.number_text,
        "value": texts.value_text,
        "whole": "{:,}".format,
        "percent": "{:.1%}".format,
        "key": digest_of,
        "spectrogram_uri": _spectrogram_uri,
        "audio_uri": _audio_uri,
    }
    environment.globals |= {
        "charts": charts,
        "digest_of": digest_of,
        "frequencies": _frequencies(),
        "summary": summary,
    }
    return environment


def _shown(value: object) -> object:
    """What an expression of a template becomes before it is escaped."""
    if isinstance(value, str) and not isinstance(value, Markup):
        return texts.one_line(value)
    return value


def _spectrogram_uri(stem: StemView) -> str:
    return _data_uri("image/png", png_of(stem.levels_db))


def _audio_uri(stem: StemView) -> str:
    return _data_uri(stem.media_type, stem.audio)


def _data_uri(media_type: str, data: bytes) -> str:
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"


def _frequencies() -> tuple[str, ...]:
    """Labels of a spectrogram's even ticks, from the top down."""
    ratio = (HIGHEST_HZ / LOWEST_HZ) ** (1 / (_FREQUENCY_TICKS - 1))
    ticks_hz = [float(f"{LOWEST_HZ * ratio**place:.2g}") for place in range(_FREQUENCY_TICKS)]
    return tuple(
        f"{hz / 1000:.0f} kHz" if hz >= 1000 else f"{hz:.0f} Hz" for hz in reversed(ticks_hz)
    )


@cache
def _inline(name: str) -> str:
    return (_FOLDER / name).read_text("utf-8")


def _source_hash(name: str) -> str:
    digest = hashlib.sha256(_inline(name).encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"
