import hashlib
import io
from random import Random

import pyarrow.parquet as pq
import pytest
from tiny_outputs import FRAMES, RATE_HZ, TinyOutput, flac, reject_row, result_row

from latentsep.catalogue import problems as problems_module
from latentsep.catalogue.ledger import FORGOTTEN
from latentsep.catalogue.track_ids import fan_out
from latentsep.catalogue.verify import ObjectCount, VerifyOptions, verify
from latentsep.storage import open_store

FLAC_BYTES = len(flac("any"))


@pytest.fixture
def output(tmp_path):
    output = TinyOutput(open_store(str(tmp_path / "out")))
    output.finish("a", "b")
    output.finish("c", "d")
    return output


def verified(output, **options):
    return verify(output.store, VerifyOptions(**options), Random(0), lambda done, of: None)


def found(report):
    return [(problem.kind, problem.track_id) for problem in report.problems.first]


def key_of(track_id, stem="vocals", attempt="1"):
    return f"stems/{fan_out(track_id)}/{track_id}/{attempt}/{stem}.flac"


class TestRows:
    def test_a_whole_output_has_no_problems(self, output):
        told = []
        report = verify(
            output.store, VerifyOptions(), Random(0), lambda *counts: told.append(counts)
        )
        assert (report.rows, report.rows_read, found(report)) == (4, 4, [])
        assert report.orphans == report.foreign == report.removed == ObjectCount()
        assert told[-1] == (4, 4)

    def test_an_output_without_rows_has_no_problems(self, tmp_path):
        report = verified(TinyOutput(open_store(str(tmp_path / "new"))))
        assert (report.rows, found(report)) == (0, [])

    @pytest.mark.parametrize("content", [True, False])
    def test_missing_and_shorter_stems_are_found(self, output, content):
        output.store.delete([key_of("a")])
        output.store.write(key_of("b", "accompaniment"), b"short")
        report = verified(output, content=content)
        assert sorted(found(report)) == [("missing", "a"), ("size", "b")]
        texts = {problem.kind: problem.text for problem in report.problems.first}
        assert texts["missing"] == f"{output.store.uri_of(key_of('a'))}: there is no such object"
        assert f"has 5 bytes, the row says {len(flac('b11'))}" in texts["size"]

    def test_other_bytes_of_the_same_size_are_found_by_their_digest(self, output):
        data = bytearray(output.store.read(key_of("a")))
        data[-1] ^= 1
        output.store.write(key_of("a"), bytes(data))
        assert found(verified(output)) == [("sha256", "a")]
        assert found(verified(output, content=False)) == []

    @pytest.mark.parametrize(
        ("changes", "text"),
        [
            ({"stem_frames": FRAMES + 1}, f"has {FRAMES} frames, the row says {FRAMES + 1}"),
            ({"stem_sample_rate_hz": 44_100}, f"is of {RATE_HZ} Hz, the row says 44100"),
        ],
    )
    def test_a_header_that_says_something_else_is_found(self, output, changes, text):
        output.commit([result_row("x", **{**output.stems("x"), **changes})])
        report = verified(output)
        assert found(report) == [("header", "x")] * 2
        assert text in report.problems.first[0].text

    def test_a_stem_that_is_no_audio_is_found(self, output):
        row, noise = output.stems("x"), b"no audio"
        output.store.write(key_of("x"), noise)
        row |= {
            "vocals_stem_bytes": len(noise),
            "vocals_stem_sha256": hashlib.sha256(noise).hexdigest(),
        }
        output.commit([result_row("x", **row)])
        report = verified(output)
        assert found(report) == [("header", "x")]
        assert "cannot be decoded" in report.problems.first[0].text

    def test_padded_codecs_have_frames_of_their_own(self, output):
        row = {**output.stems("x"), "stem_codec": "mp3", "stem_frames": 5}
        output.commit([result_row("x", **row)])
        assert found(verified(output)) == []

    def test_a_moved_output_is_compared_where_it_lies_now(self, output, tmp_path):
        (tmp_path / "out").rename(tmp_path / "a new place")
        moved = TinyOutput(open_store(str(tmp_path / "a new place")))
        report = verified(moved)
        assert (report.rows_read, found(report), report.orphans.objects) == (4, [], 0)

    def test_ids_with_spaces_and_percent_signs_are_found(self, output):
        output.finish("50% näher #1", "%20")
        report = verified(output)
        assert (report.rows, found(report), report.orphans.objects) == (6, [], 0)

    def test_only_the_stems_of_the_sample_are_read(self, output):
        for track_id in "abcd":
            output.store.write(key_of(track_id), bytes(len(output.store.read(key_of(track_id)))))
        report = verified(output, sample=2)
        assert (report.rows, report.rows_read) == (4, 2)
        assert [kind for kind, _ in found(report)] == ["sha256"] * 2
        assert verified(output, sample=100).rows_read == 4

    def test_only_the_first_problems_are_kept_and_all_are_counted(self, output, monkeypatch):
        monkeypatch.setattr(problems_module, "MOST_KEPT", 3)
        output.store.delete(output.listed())
        report = verified(output)
        assert len(report.problems.first) == 3
        assert report.problems.counts == {"missing": 8}


class TestLedger:
    def test_a_track_with_two_rows_is_found(self, output):
        copy = output.store.read("results/part-00000001.parquet")
        output.store.write("results/part-00000003.parquet", copy)
        report = verified(output)
        assert sorted(found(report)) == [("duplicate", "a"), ("duplicate", "b")]
        assert report.rows == 6

    @pytest.mark.parametrize("folder", ["results", "rejects"])
    def test_a_gap_in_the_parts_is_found_and_nothing_is_removed(self, output, folder):
        output.commit(rejects=[reject_row("x")])
        output.commit(rejects=[reject_row("y")])
        output.store.delete([f"{folder}/part-00000001.parquet"])
        before = output.listed()
        report = verified(output, clean=True)
        assert found(report) == [("ledger", "")]
        assert f"{folder}/part-00000001.parquet" in report.problems.first[0].text
        assert output.listed() == before

    def test_a_damaged_part_is_found_and_nothing_is_removed(self, output):
        output.store.write("results/part-00000002.parquet", b"PAR1 no more")
        before = output.listed()
        report = verified(output, clean=True)
        assert found(report) == [("ledger", "")]
        assert output.listed() == before

    def test_stems_of_a_forgotten_track_are_found(self, output):
        output.ledger.withdraw(["a"], FORGOTTEN)
        report = verified(output)
        assert found(report) == [("forgotten", "a")]
        assert "run `forget` again" in report.problems.first[0].text
        assert report.rows == 3

    def test_a_row_that_lacks_a_column_is_found(self, output):
        key = "results/part-00000001.parquet"
        with output.store.open(key) as file:
            part = pq.read_table(file).drop_columns(["vocals_stem_uri"])
        sink = io.BytesIO()
        pq.write_table(part, sink)
        output.store.write(key, sink.getvalue())
        before = output.listed()
        report = verified(output, clean=True)
        assert sorted(found(report)) == [("ledger", "a"), ("ledger", "b")]
        assert report.problems.first[0].text == "its row has no vocals_stem_uri"
        assert output.listed() == before

    def test_a_row_of_a_forgotten_track_is_found(self, output):
        rows = output.store.read("results/part-00000001.parquet")
        output.ledger.withdraw(["a"], FORGOTTEN)
        output.store.write("results/part-00000001.parquet", rows)
        report = verified(output)
        assert found(report) == [("forgotten", "a")]
        assert "has a row" in report.problems.first[0].text


class TestOrphans:
    @pytest.fixture
    def with_orphans(self, output):
        output.stems("a", attempt="2")
        output.stems("never committed")
        return output

    def test_attempts_without_a_row_are_counted_and_no_problem(self, with_orphans):
        report = verified(with_orphans)
        assert found(report) == []
        assert report.orphans.objects == 4
        assert report.orphans.bytes == sum(
            len(with_orphans.store.read(key))
            for key in with_orphans.listed()
            if "/2/" in key or "never" in key
        )
        assert report.removed.objects == 0

    def test_clean_removes_them_and_nothing_else(self, with_orphans):
        kept = [key for key in with_orphans.listed() if "/2/" not in key and "never" not in key]
        report = verified(with_orphans, clean=True, content=False)
        assert report.removed == report.orphans
        assert with_orphans.listed() == kept
        assert verified(with_orphans).orphans.objects == 0

    def test_a_track_whose_stems_are_missing_keeps_its_other_attempts(self, with_orphans):
        with_orphans.store.delete([key_of("a")])
        report = verified(with_orphans, clean=True)
        assert found(report) == [("missing", "a")]
        assert (report.orphans.objects, report.removed.objects) == (4, 2)
        assert key_of("a", attempt="2") in with_orphans.listed()

    def test_objects_that_no_job_wrote_are_kept(self, output):
        foreign = ["stems/README", "stems/zz/a/1/vocals.flac", f"stems/{fan_out('a')}/a/notes.txt"]
        for key in foreign:
            output.store.write(key, b"x")
        report = verified(output, clean=True)
        assert (report.foreign, report.removed.objects) == (ObjectCount(3, 3), 0)
        assert set(foreign) <= set(output.listed())

    def test_nothing_is_removed_once_the_lease_is_lost(self, with_orphans):
        before = with_orphans.listed()
        report = verified(with_orphans, clean=True, may_go_on=lambda: False)
        assert (report.orphans.objects, report.removed.objects) == (4, 0)
        assert with_orphans.listed() == before
