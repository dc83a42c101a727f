"""Chunk plan, tape, seam-free join, refinement and the Separator."""
