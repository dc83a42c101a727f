"""The click commands; thin."""
