"""`python -m granctl` is `granctl`."""

from granctl.cli.main import main

if __name__ == "__main__":
    main()
