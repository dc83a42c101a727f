"""Metrics of a catalogue job: what they are, and how the driver and the workers tell them."""
