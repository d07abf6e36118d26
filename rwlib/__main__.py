"""Run the command line with ``python -m rwlib``."""

from rwlib.cli import main

if __name__ == "__main__":
    main()
