"""``python -m latentsep``."""

from latentsep.cli.main import main

if __name__ == "__main__":
    main()
