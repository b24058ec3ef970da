"""Errors that are a user's to mend.

Each message is one line: what came, what was expected, what to do. The command line prints it and exits with
status 2; from Python it is an exception like any other.
"""


class OnedepthError(Exception):
    """A mistake in what the package was given: a file, an option, a recipe key."""


class ImageError(OnedepthError):
    """A picture that is missing, unreadable or too large."""


class ModelFileError(OnedepthError):
    """A model file that is missing, damaged or not one of ours."""


class DataError(OnedepthError):
    """RGB-D data that does not keep to its layout."""


class RecipeError(OnedepthError):
    """A training recipe with an unknown key, a wrong type or a value out of range."""


class TrainingError(OnedepthError):
    """Training that cannot go on, such as a loss that is not a number."""


class OutputError(OnedepthError):
    """A result that cannot be written where it was asked for."""


class MissingExtraError(OnedepthError):
    """An optional dependency that is not installed; the message names the extra that brings it."""
