import base64
import re
from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from page_reader import Page
from report_documents import (
    BLEED,
    distribution,
    empty_report,
    example,
    ranked,
    report,
    running_report,
    stem,
)

from latentsep.catalogue.failed import RejectGroup
from latentsep.catalogue.status import DoneCount
from latentsep.report.document import Comparison, Excerpt, Ranking
from latentsep.report.page import page_html, page_parts

EVIL = (
    "<img src=x onerror=alert(1)>",
    "</script><script>alert(1)</script>",
    "</style><b>",
    '" onmouseover="alert(1)',
    "' autofocus onfocus='alert(1)",
    "{{ 7 * 7 }}{% raw %}",
    "javascript:alert(1)",
    "<!-- -->]]>&lt;&amp;",
)
KINDS = {
    "finished": report(),
    "running": running_report(),
    "with problems": report(problems=("a part is damaged", "two stems are missing")),
    "begun": empty_report(),
    "without a manifest": report(tracks_wanted=None, audio_wanted_s=None, manifest=None),
    "incomparable": report(comparison=Comparison("/x", problem="holds no output of a job")),
    "silent": report(ranking=Ranking(BLEED, (ranked("best", "a", excerpt=None, values={}),))),
}


def hostile(text):
    """The same text wherever a report holds text from outside."""
    one = RejectGroup(text, text, True, 9, (example(text),))
    track = ranked("best", text, excerpt=Excerpt(0.0, 1.0, (stem("vocals"),), (text,)))
    return report(
        out=text, state_reason=text, run_id=text, identity={text: text}, about={text: [text]},
        model=text, model_licence=text, manifest=text, rejects=(one,), problems=(text,),
        ranking=Ranking(BLEED, (track,)),
        comparison=Comparison(text, identity_changes=((text, text, text),)),
    )  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("live", [False, True])
def test_elements_are_nested_and_ids_are_unique_and_referred_to(kind, live):
    page = Page(page_html(KINDS[kind], live=live))
    assert page.faults == []


@pytest.mark.parametrize("kind", KINDS)
def test_headings_come_in_order(kind):
    levels = [int(one.tag[1]) for one in Page(page_html(KINDS[kind])).of("h1", "h2", "h3", "h4")]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


@pytest.mark.parametrize("text", EVIL)
@pytest.mark.parametrize("live", [False, True])
def test_html_in_texts_shows_as_text(text, live):
    harmless, page = (Page(page_html(hostile(one), live=live)) for one in ("x", text))
    assert page.faults == []
    assert [one.tag for one in page.elements] == [one.tag for one in harmless.elements]
    assert [set(one.attributes) for one in page.elements] == [
        set(one.attributes) for one in harmless.elements
    ]
    assert page.text.count(text) >= 15


@given(st.text(st.characters(codec=None), min_size=1))
@settings(max_examples=50, deadline=None)
def test_any_track_id_shows_as_text(track_id):
    track = ranked("best", track_id, excerpt=None)
    page = Page(page_html(report(ranking=Ranking(BLEED, (track,)), rejects=())))
    page.html.encode()
    assert page.faults == []
    assert not track_id.isprintable() or track_id in page.text


@pytest.mark.parametrize("track_id", ["a\nb", "\u202egnp.exe", "\x1b[2J", "a\x00", "\ud800"])
def test_characters_that_do_not_show_are_spelled_out(track_id):
    page = page_html(report(ranking=Ranking(BLEED, (ranked("best", track_id),))))
    assert track_id not in page
    assert track_id.encode("unicode_escape").decode() in page


@pytest.mark.parametrize("live", [False, True])
def test_nothing_is_loaded_from_elsewhere(live):
    page = Page(page_html(report(), live=live))
    for element in page.elements:
        for name in ("src", "href", "srcset", "data", "action", "poster", "xlink:href"):
            target = element.attributes.get(name)
            assert target is None or target.startswith(("data:", "#")), element
    style = page.html.partition("<style>")[2].partition("</style>")[0]
    assert "url(" not in style
    assert "@import" not in style


def test_the_static_page_has_no_script_and_its_policy_allows_none():
    page = Page(page_html(report()))
    assert page.of("script") == []
    policy = policy_of(page)
    assert policy["default-src"] == ["'none'"]
    assert policy["img-src"] == policy["media-src"] == ["data:"]
    assert not {"script-src", "connect-src"} & set(policy)


def test_the_live_page_runs_its_own_script_only_and_asks_its_own_origin_only():
    policy = policy_of(Page(page_html(report(), live=True)))
    assert policy["connect-src"] == ["'self'"]
    (source,) = policy["script-src"]
    assert source.startswith("'sha256-")


def test_no_element_has_a_style_or_a_handler_of_its_own():
    for element in Page(page_html(report(), live=True)).elements:
        assert not [n for n in element.attributes if n == "style" or n.startswith("on")], element


def test_every_part_of_a_full_report_is_shown():
    text = Page(page_html(report())).text
    for shown in (
        "/music/out", "85.0% finished", "15.0% rejected", "123.5 MB", "Apache-2.0", "tiny",
        "Bleed", "\N{MINUS SIGN}22.5 dB", "AudioDecodeError in load", "b is no audio", "separate",
        "70.0%", "median 1", "1:02", "After is this run", "28 Nov 2026, 12:00:00 UTC",
    ):  # fmt: skip
        assert shown in text, shown


def test_a_running_job_has_a_rate_and_a_time_to_go():
    text = Page(page_html(running_report())).text
    assert "3.0\N{MULTIPLICATION SIGN}" in text or "3\N{MULTIPLICATION SIGN}" in text
    assert "3 min 05 s" in text


def test_what_is_missing_is_left_out_and_the_rest_is_shown():
    parts = page_parts(empty_report(problems=("results/part-1 is damaged",)))
    assert "No track is finished yet" in parts["summary"]
    assert "results/part-1 is damaged" in parts["problems"]
    for name in ("quality", "tracks", "rejects", "time", "comparison", "run"):
        assert parts[name] == ""
    assert "#quality" not in parts["contents"]


def test_two_runs_that_cannot_be_compared_are_one_line():
    part = page_parts(KINDS["incomparable"])["comparison"]
    assert "holds no output of a job" in part
    assert "<table" not in part


def test_a_signal_without_sound_keeps_its_spectrogram():
    silent = stem("vocals", 0.1)
    object.__setattr__(silent, "audio", b"")
    track = ranked("best", "a", excerpt=Excerpt(0.0, 1.0, (silent,), ("mixture: gone",)))
    part = page_parts(report(ranking=Ranking(BLEED, (track,))))["tracks"]
    assert "<img" in part
    assert "<audio" not in part
    assert "mixture: gone" in part


def test_players_and_images_hold_their_bytes():
    page = Page(page_html(report()))
    first = stem("mixture")
    audio = page.of("audio")[0].attributes["src"]
    assert base64.b64decode(audio.removeprefix("data:audio/ogg;base64,")) == first.audio
    image = page.of("img")[0].attributes["src"]
    assert base64.b64decode(image.removeprefix("data:image/png;base64,")).startswith(b"\x89PNG")
    assert len(page.of("audio")) == len(page.of("img")) == 18


def test_charts_have_a_name_a_description_and_a_table():
    page = Page(page_html(report()))
    drawn = [one for one in page.of("svg") if one.attributes.get("role") == "img"]
    assert len(drawn) == 6
    assert all(one.attributes["aria-labelledby"] for one in drawn)
    assert len(page.of("table")) == len(page.of("caption")) == 7


def test_a_measure_that_no_track_has_is_said_to_have_no_value():
    none = distribution(BLEED)
    object.__setattr__(none, "quantiles", None)
    assert "no value" in page_parts(report(distributions=(none,)))["quality"]


def test_more_tracks_than_the_manifest_lists_do_not_overflow():
    part = page_parts(report(tracks_wanted=5, finished=DoneCount(17, 1.0, 1), rejected=3))
    widths = [float(width) for width in re.findall(r'width="([\d.]+)%"', part["summary"])]
    assert max(widths) <= 100


def test_only_what_changed_has_another_digest():
    later = report().made_at + timedelta(minutes=1)
    before, after = page_parts(report()), page_parts(report(made_at=later))
    assert [name for name in before if before[name] != after[name]] == ["made"]


def test_the_page_is_little_more_than_its_sounds():
    tracks = tuple(ranked("best", f"track {number}") for number in range(15))
    sounds = [stem.audio for track in tracks for stem in track.excerpt.stems]
    size = len(page_html(report(ranking=Ranking(BLEED, tracks))))
    assert size < sum(map(len, sounds)) * 4 / 3 + 200_000


def policy_of(page):
    (content,) = (
        one.attributes["content"]
        for one in page.of("meta")
        if one.attributes.get("http-equiv") == "Content-Security-Policy"
    )
    return {name: sources for name, *sources in (rule.split() for rule in content.split(";"))}
