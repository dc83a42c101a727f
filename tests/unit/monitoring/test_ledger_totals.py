import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ledger_rows import NO_REJECTS, NO_RESULTS, reject_rows, result_rows

from latentsep.catalogue.ledger import Ledger
from latentsep.monitoring import definitions
from latentsep.monitoring.definitions import METRICS, REASONS
from latentsep.monitoring.ledger_totals import add_ledger, add_rejects, add_results, reason_of
from latentsep.monitoring.values import MetricValues
from latentsep.storage.local import LocalStore

numbers = st.floats(0, 1e4)
maybe = st.none() | st.floats(-120, 20)
row = st.fixed_dictionaries(
    {
        "duration_s": numbers,
        "source_bytes": st.integers(0, 2**40),
        "vocals_stem_bytes": st.integers(0, 2**40),
        "accompaniment_stem_bytes": st.integers(0, 2**40),
        "separate_s": numbers,
        "upload_s": numbers,
        "bleed_db": maybe,
        "vocals_loudness_lufs": maybe,
        "accompaniment_si_sdr_db": maybe,
        "limited_samples": st.integers(0, 10**7),
    }
)
reason = st.tuples(
    st.sampled_from(["load", "separate", "store", "worker"]),
    st.sampled_from(["AudioDecodeError", "ObjectMissingError", "KeyError", "MemoryError"]),
)
part = st.tuples(st.lists(row, max_size=5), st.lists(reason, max_size=5))


def _tables(number, results, rejects):
    columns = {name: [row[name] for row in results] for name in (results[0] if results else ())}
    result_ids = [f"r{number}-{index}" for index in range(len(results))]
    reject_ids = [f"x{number}-{index}" for index in range(len(rejects))]
    return (
        result_rows(result_ids, **columns) if results else NO_RESULTS,
        reject_rows(
            reject_ids,
            stage=[stage for stage, _ in rejects],
            error_class=[name for _, name in rejects],
        )
        if rejects
        else NO_REJECTS,
    )


def _counts(values, metric, *labels):
    return values.histograms(metric)[labels].cumulative


@settings(max_examples=30, deadline=None)
@given(st.lists(part, max_size=4))
def test_the_totals_of_a_ledger_are_those_of_its_rows_and_of_its_commits(parts):
    followed = MetricValues()
    with tempfile.TemporaryDirectory() as folder:
        store = LocalStore(Path(folder))
        ledger = Ledger(store, "driver")
        add_ledger(followed, store)
        for number, (results, rejects) in enumerate(parts):
            tables = _tables(number, results, rejects)
            ledger.commit(*tables)
            add_results(followed, tables[0])
            add_rejects(followed, tables[1])
        resumed = MetricValues()
        add_ledger(resumed, store)
    results = [row for rows, _ in parts for row in rows]
    rejects = [pair for _, pairs in parts for pair in pairs]
    for values in (followed, resumed):
        _equals_rows(values, results, rejects)
    for metric in METRICS:
        assert followed.numbers(metric) == pytest.approx(resumed.numbers(metric))
        kept, read = followed.histograms(metric), resumed.histograms(metric)
        assert {key: one.cumulative for key, one in kept.items()} == {
            key: one.cumulative for key, one in read.items()
        }


def _equals_rows(values, results, rejects):
    assert values.numbers(definitions.TRACKS) == {
        ("separated",): len(results), ("rejected",): len(rejects),
    }  # fmt: skip
    total_s = sum(row["duration_s"] for row in results)
    assert values.numbers(definitions.AUDIO_SECONDS)[()] == pytest.approx(total_s)
    stem_bytes = sum(r["vocals_stem_bytes"] + r["accompaniment_stem_bytes"] for r in results)
    assert values.numbers(definitions.STAGE_BYTES) == {
        ("fetch", "in"): sum(row["source_bytes"] for row in results),
        ("upload", "out"): stem_bytes,
    }
    by_reason = values.numbers(definitions.REJECTS)
    assert sum(by_reason.values()) == len(rejects)
    decoding = sum(pair == ("load", "AudioDecodeError") for pair in rejects)
    assert by_reason.get(("load", "AudioDecodeError"), 0) == decoding
    for metric, labels, column in (
        (definitions.STAGE_SECONDS, ("separate",), "separate_s"),
        (definitions.BLEED, (), "bleed_db"),
        (definitions.LOUDNESS, ("vocals",), "vocals_loudness_lufs"),
        (definitions.SI_SDR, ("accompaniment",), "accompaniment_si_sdr_db"),
        (definitions.CLIPPED_SAMPLES, ("vocals",), "limited_samples"),
    ):
        known = [row[column] for row in results if row[column] is not None]
        expected = [(b, sum(v <= b for v in known)) for b in (*metric.buckets, np.inf)]
        assert _counts(values, metric, *labels) == expected, column


def test_an_error_that_nobody_foresaw_is_another_reason():
    assert reason_of("AudioDecodeError") == "AudioDecodeError"
    assert reason_of("ZeroDivisionError") == "other" in REASONS


def test_an_empty_ledger_makes_all_its_series_exist_at_zero(tmp_path):
    values = MetricValues()
    add_ledger(values, LocalStore(tmp_path))
    assert values.numbers(definitions.TRACKS) == {("separated",): 0, ("rejected",): 0}
    assert values.numbers(definitions.AUDIO_SECONDS) == {(): 0}
    stages = set(values.histograms(definitions.STAGE_SECONDS))
    assert stages == {(stage,) for stage in definitions.TRACK_STAGES}


def test_a_part_of_an_older_schema_counts_with_what_it_has(tmp_path):
    store = LocalStore(tmp_path)
    old = result_rows(["a"]).drop_columns(["bleed_db", "limited_samples"])
    sink = pa.BufferOutputStream()
    pq.write_table(old, sink)
    store.create("results/part-00000001.parquet", sink.getvalue().to_pybytes())
    values = MetricValues()
    add_ledger(values, store)
    assert values.numbers(definitions.TRACKS)[("separated",)] == 1
    assert _counts(values, definitions.BLEED)[-1] == (np.inf, 0)
