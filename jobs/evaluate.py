"""`latentsep evaluate` from a checkout: `python -m jobs.evaluate --help`."""

import sys

from latentsep.cli.main import main

if __name__ == "__main__":
    main(["evaluate", *sys.argv[1:]])
