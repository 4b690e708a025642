"""`python -m skelbridge`."""

from .cli import main

main()
