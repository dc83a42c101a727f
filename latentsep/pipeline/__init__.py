"""Load, separate and store as plain callables, and the one boundary around a track."""
