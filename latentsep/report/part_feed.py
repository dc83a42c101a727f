"""Parts of the ledger, each read once however often somebody looks."""

from collections.abc import Iterator, Sequence

import pyarrow as pa

from latentsep.catalogue.ledger_parts import PartKind, in_order, read_part
from latentsep.errors import LedgerError, ObjectMissingError
from latentsep.storage import Store


class PartFeed:
    """What is new in one log of a ledger. A part that cannot be read is a problem, not an end.

    Attributes:
        problems: one line for each part that was missing or unreadable at the last look.
    """

    def __init__(self, store: Store, kind: PartKind, columns: Sequence[str]) -> None:
        self.problems: list[str] = []
        self._store, self._kind, self._columns = store, kind, columns
        self._listed: dict[str, str] = {}
        self._read: dict[str, str] = {}

    def look(self) -> bool:
        """List the parts; whether all that were read before are still the same.

        Raises:
            StoreError: they cannot be listed now.
        """
        etags = {
            number: info.etag
            for info in self._store.list(f"{self._kind.folder}/")
            if (number := self._kind.number(info.key)) is not None
        }
        self.problems = []
        for number in range(1, max(etags, default=0)):
            if number not in etags and (etag := self._etag(self._kind.key(number))):
                etags[number] = etag
        self._listed = {self._kind.key(number): etags[number] for number in sorted(etags)}
        return all(self._listed.get(key) == etag for key, etag in self._read.items())

    def new(self) -> Iterator[tuple[str, pa.Table]]:
        """Key and rows of each part that was not read before, in order."""
        keys = [key for key in self._listed if key not in self._read]
        for key, part in zip(keys, in_order(self._part_or_error, keys), strict=True):
            if isinstance(part, LedgerError):
                self.problems.append(str(part))
                continue
            self._read[key] = self._listed[key]
            yield key, part

    def _part_or_error(self, key: str) -> pa.Table | LedgerError:
        try:
            return read_part(self._store, self._kind, key, self._columns)
        except LedgerError as error:
            return error

    def _etag(self, key: str) -> str | None:
        """Of a part that the listing left out: it may have been made while that ran."""
        try:
            return self._store.stat(key).etag
        except ObjectMissingError:
            self.problems.append(
                f"{self._store.uri_of(key)}: is missing, but later parts are there; its tracks are "
                "not shown (docs/ledger.md)"
            )
            return None
