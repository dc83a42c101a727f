"""Scoring runs and the references beside them."""
