"""Puts the page into the output it is about."""

from latentsep.catalogue.open_rejects import forgotten_ids
from latentsep.catalogue.output import REPORT_KEY
from latentsep.errors import StoreError
from latentsep.report.document import Report
from latentsep.report.page import page_html
from latentsep.storage import Store


def publish(store: Store, report: Report) -> str:
    """Write the page of an output; gives its URI.

    Who forgets a track writes the record and then deletes the page; this writes the page and then
    looks at the record. So at least one sees the other, and no page keeps a track, its sound above
    all, that was taken down meanwhile.

    Raises:
        StoreError: it cannot be written, or a track of it was taken down meanwhile.
        LedgerError: the record cannot be read. In both cases no page stays.
    """
    store.write(REPORT_KEY, page_html(report).encode())
    try:
        gone = _names_on(report) & set(forgotten_ids(store).to_pylist())
    except BaseException:
        store.delete([REPORT_KEY])
        raise
    if gone:
        store.delete([REPORT_KEY])
        raise StoreError(
            f"{store.uri_of(REPORT_KEY)}: {len(gone)} of its tracks were taken down while it was "
            "made, so it was removed; make it again",
            retryable=True,
        )
    return store.uri_of(REPORT_KEY)


def _names_on(report: Report) -> set[str]:
    names = {example.track_id for group in report.rejects for example in group.examples}
    return names | {track.track_id for track in (report.ranking.tracks if report.ranking else ())}
