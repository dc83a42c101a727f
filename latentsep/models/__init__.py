"""Model folders: load, save, list; the bundled weights."""
