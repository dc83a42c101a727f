"""Manifest, plan and ledger of a catalogue: tables in, tables out. Needs neither torch nor Ray."""
