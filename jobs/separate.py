"""`latentsep separate` from a checkout: `python -m jobs.separate --help`."""

import sys

from latentsep.cli.main import main

if __name__ == "__main__":
    main(["separate", *sys.argv[1:]])
