"""The page about an output: what is in it, how good it is, and how it sounds."""
