"""`python -m mlzoo` is `mlzoo`."""

from mlzoo.cli import main

if __name__ == "__main__":
    main()
