"""One thin program per job, for running from a checkout."""
