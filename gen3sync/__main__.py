"""`python -m gen3sync`: the command line without the console script."""

from gen3sync.cli import main

main()
