"""The one base class of errors that are meant to be read by users."""


class UserError(ValueError):
    """A mistake in what the user gave (a name, a file, an array), told in one line.

    The message names the file, key or joint, what was expected, what was found and what to do.
    The command line prints it without a traceback and ends with exit code 2; everything else that
    is raised is a defect of this library.
    """
