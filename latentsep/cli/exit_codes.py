"""What the command line's exit codes mean."""

EXIT_REJECTS = 1
EXIT_CONFIG = 2
EXIT_INTERRUPTED = 75
