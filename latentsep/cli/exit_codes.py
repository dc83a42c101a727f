"""What the command line's exit codes mean."""

EXIT_REJECTS = 1
EXIT_CONFIG = 2
EXIT_LEASE_HELD = 3
EXIT_COMMIT = 4
EXIT_INTERRUPTED = 75
