import json

from latentsep.cli.json_document import print_json


def test_what_json_cannot_say_is_null_at_any_depth(capsys):
    infinity = float("inf")
    print_json({"a": [1.5, infinity, {"b": -infinity}], "c": (float("nan"), "é", None, True)})
    told = capsys.readouterr().out
    assert json.loads(told) == {"a": [1.5, None, {"b": None}], "c": [None, "é", None, True]}
    assert told.isascii()
