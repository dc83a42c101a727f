"""`latentsep benchmark` from a checkout: `python -m jobs.benchmark --help`."""

import sys

from latentsep.cli.main import main

if __name__ == "__main__":
    main(["benchmark", *sys.argv[1:]])
