from latentsep.pipeline.starts import StartCounter


def test_only_starts_without_an_end_count():
    starts = StartCounter()
    for track_id in ("a", "b", "a", "c"):
        starts.begin(track_id)
    starts.end("c")
    assert starts.counts(["a", "b", "c", "d"]) == {"a": 2, "b": 1}
    starts.end("a")
    starts.end("never begun")
    assert starts.counts(["a", "b"]) == {"b": 1}
