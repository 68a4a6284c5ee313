"""`python -m server` is `footfall`."""

from server.cli import main

main()
