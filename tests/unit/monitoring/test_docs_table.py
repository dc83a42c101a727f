import subprocess
import sys
from pathlib import Path

from latentsep.monitoring.docs_table import metrics_tables

DOCS = Path(__file__).parents[3] / "docs" / "metrics.md"
COMMAND = (sys.executable, "-m", "latentsep.monitoring.docs_table")


def test_the_tables_in_the_docs_are_those_of_the_code():
    text = DOCS.read_text()
    shown = text.partition("<!-- metrics: begin -->\n")[2].partition("<!-- metrics: end -->")[0]
    assert shown.strip() == metrics_tables().strip(), "regenerate: the docs say how"


def test_the_command_that_the_docs_name_makes_the_tables():
    assert "python -m latentsep.monitoring.docs_table" in DOCS.read_text()
    done = subprocess.run(COMMAND, capture_output=True, text=True, check=True)
    assert done.stdout == metrics_tables()
