"""Bytes to waveforms ``[channel, sample]`` float32, and back. Needs neither torch nor Ray."""
