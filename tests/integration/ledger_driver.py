"""A driver or lease holder in a process of its own, for tests.

Arguments: STORE_URI, ENDPOINT_URL or "-", then one of
``commit WRITER ID...`` commits in batches of five after a line on stdin, prints the ids it claims;
``hold HOST TTL_S`` takes the lease under this host's name ("-": the true one), prints, and waits.
"""

import dataclasses
import sys

from catalogue_rows import NO_REJECTS, result_rows
from s3_server import settings_for

from latentsep.catalogue.lease import Holder, Lease
from latentsep.catalogue.ledger import Ledger
from latentsep.storage import StoreSettings, open_store


def say(text):
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def commit(store, writer, *ids):
    ledger = Ledger(store, writer)
    ledger.load()
    say("ready")
    sys.stdin.readline()
    for start in range(0, len(ids), 5):
        batch = ids[start : start + 5]
        done = ledger.commit(result_rows(*batch, attempt=writer), NO_REJECTS)
        say(" ".join(sorted(set(batch) - done.dropped_ids)))


def hold(store, host, ttl_s):
    holder = Holder.of_this_process()
    if host != "-":
        holder = dataclasses.replace(holder, host=host)
    with Lease.acquire(store, holder, float(ttl_s)):
        say("held")
        sys.stdin.readline()


def main():
    uri, endpoint, what, *rest = sys.argv[1:]
    store = open_store(uri, StoreSettings() if endpoint == "-" else settings_for(endpoint))
    {"commit": commit, "hold": hold}[what](store, *rest)


if __name__ == "__main__":
    main()
