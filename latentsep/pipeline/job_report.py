"""The page that a job leaves in its output."""

import logging
import time

from latentsep.report.publish import publish
from latentsep.report.read import ReportReader
from latentsep.storage import StoreSettings, open_store

logger = logging.getLogger(__name__)
LONGEST_EXCERPTS_S = 30.0
"""The workers may be gone by now, but a machine that is paid for waits."""


def leave_report(out: str, settings: StoreSettings) -> None:
    """Write the page; a job whose tracks are all committed does not fail for it."""
    began_s = time.monotonic()
    try:
        store = open_store(out, settings)
        report = ReportReader(store, settings, out=out).read(longest_s=LONGEST_EXCERPTS_S)
        uri = publish(store, report)
    except Exception as error:  # noqa: BLE001 - whatever is wrong with a page, the work is done
        logger.warning(
            "event=report_not_written out=%s reason=%s: %s: `latentsep report` tries again",
            out, type(error).__name__, str(error).partition("\n")[0],
        )  # fmt: skip
    else:
        logger.info("event=report_written uri=%s seconds=%.1f", uri, time.monotonic() - began_s)
