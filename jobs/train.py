"""`latentsep train` from a checkout: `python -m jobs.train --help`."""

import sys

from latentsep.cli.main import main

if __name__ == "__main__":
    main(["train", *sys.argv[1:]])
