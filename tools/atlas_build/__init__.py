"""The build-time half of the atlas: adult bodies posed by motion capture, and what follows from it.

Nothing here is installed. `motion` and `transfer` need numpy alone; `body` needs anny and torch,
which it imports where it uses them.
"""
