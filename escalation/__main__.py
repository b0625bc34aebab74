"""`python -m escalation`."""

from escalation.cli import main

main()
