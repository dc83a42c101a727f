"""Waveform <-> latents, one file per codec."""
