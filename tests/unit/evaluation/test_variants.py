import pytest

from latentsep.errors import ConfigError
from latentsep.evaluation.systems import Variant
from latentsep.evaluation.variants import parse_variants
from latentsep.separation.options import SeparationOptions


def test_dials_stand_over_the_options_of_all():
    base = {"device": "cpu", "steps": 2}
    first, second = parse_variants(["", "steps=8, refinement=off"], "default", base)
    assert first == Variant("default", "default", SeparationOptions(device="cpu", steps=2))
    expected = SeparationOptions(device="cpu", steps=8, refinement="off")
    assert second == Variant("default steps=8,refinement=off", "default", expected)


def test_a_variant_may_be_of_another_model():
    (other,) = parse_variants(["steps=4,model=runs/mine"], "default", {})
    assert other == Variant("mine steps=4", "runs/mine", SeparationOptions(steps=4))


def test_a_value_in_braces_is_a_mapping():
    (one,) = parse_variants(
        ["sampler=ddim_refined,sampler_options={eta: 0.4, fc_hz: 5000}"], "m", {}
    )
    assert one.options.sampler_options == {"eta": 0.4, "fc_hz": 5000}
    assert one.options.sampler == "ddim_refined"


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("steps", "NAME=VALUE"),
        ("steps=", "NAME=VALUE"),
        ("steps=1,,draws=2", "NAME=VALUE"),
        ("steps=1,steps=2", "once"),
        ("colour=red", "colour"),
        ("steps=many", "steps"),
        ("steps=0", "steps"),
        ("refinement=maybe", "refinement"),
    ],
)
def test_a_wrong_variant_is_refused_with_its_text_and_the_names_there_are(text, part):
    with pytest.raises(ConfigError, match=part) as caught:
        parse_variants([text], "default", {})
    assert repr(text) in str(caught.value)
    assert "sampler_options" in str(caught.value)


def test_two_variants_with_one_row_are_refused():
    with pytest.raises(ConfigError, match="there already"):
        parse_variants(["steps=8", "steps=8"], "default", {})


def test_wrong_options_of_all_are_called_options():
    with pytest.raises(ConfigError, match=r"^options: warm_start"):
        parse_variants([""], "default", {"warm_start": 2.0})
