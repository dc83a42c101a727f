from pathlib import Path

from latentsep.catalogue.schema import REJECT, RESULT, columns_table

DOCS = Path(__file__).parents[3] / "docs" / "ledger.md"


def test_the_table_in_the_docs_is_that_of_the_code():
    text = DOCS.read_text()
    shown = text.partition("<!-- columns: begin -->\n")[2].partition("<!-- columns: end -->")[0]
    assert shown.strip() == columns_table().strip()


def test_every_column_has_a_meaning():
    for schema in (RESULT, REJECT):
        assert len(set(schema.names)) == len(schema.names)
        assert all(item.metadata[b"description"] for item in schema)
