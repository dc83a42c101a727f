import logging

import pytest

from latentsep.errors import (
    AudioDecodeError,
    AudioEncodeError,
    ConfigError,
    DecoderCrashedError,
    ModelError,
    NonFiniteAudioError,
    NonFiniteSourceError,
)
from latentsep.pipeline.rejects import Reject, separate_or_reject


def failing(error):
    def work():
        raise error

    return work


def test_a_result_is_passed_on():
    assert separate_or_reject("a.wav", lambda: 7) == 7


@pytest.mark.parametrize(
    ("error", "stage"),
    [
        (AudioDecodeError("a.wav: no such file"), "load"),
        (DecoderCrashedError("a.wav: died"), "load"),
        (AudioEncodeError("a.wav: no space"), "store"),
        (NonFiniteAudioError("a.wav: NaN"), "separate"),
    ],
)
def test_the_failure_of_one_track_is_a_record(error, stage):
    expected = Reject("a.wav", stage, type(error).__name__, str(error))
    assert separate_or_reject("a.wav", failing(error)) == expected


def test_the_message_names_the_track_even_where_the_error_does_not():
    reject = separate_or_reject("a.wav", failing(NonFiniteAudioError("the model gave NaN")))
    assert reject.message == "a.wav: the model gave NaN"


@pytest.mark.parametrize("error", [ZeroDivisionError("by zero"), OSError(5, "I/O"), MemoryError()])
def test_a_bug_or_the_machine_fails_one_track_and_is_logged(error, caplog):
    with caplog.at_level(logging.DEBUG):
        reject = separate_or_reject("a.wav", failing(error))
    assert reject.error_class == type(error).__name__
    assert reject.message.startswith(f"a.wav: unexpected {type(error).__name__}: ")
    assert "-v shows where" in reject.message
    assert caplog.records[0].exc_info[1] is error


@pytest.mark.parametrize("error", [ConfigError("x"), ModelError("x"), KeyboardInterrupt()])
def test_what_concerns_every_track_goes_through(error):
    with pytest.raises(type(error)):
        separate_or_reject("a.wav", failing(error))


def test_nan_in_the_source_is_a_matter_of_loading_and_out_of_the_model_of_separating():
    def fail(error):
        raise error

    source = separate_or_reject("a.wav", lambda: fail(NonFiniteSourceError("NaN")))
    model = separate_or_reject("a.wav", lambda: fail(NonFiniteAudioError("NaN")))
    assert (source.stage, model.stage) == ("load", "separate")
