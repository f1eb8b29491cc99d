"""Every error Brightfield raises on purpose.

The tree:

    BrightfieldError
    ├── InputError              the user's input is wrong: exit code 2
    │   ├── DataError           a folder, manifest or image cannot be used
    │   │   └── ImageError      one image cannot be read
    │   ├── ConfigError         an option or a configuration file is wrong
    │   ├── WeightsError        a backbone or its weights cannot be had
    │   ├── BundleError         an inspector on disk cannot be read
    │   └── WriteError          something cannot be written: no room, no right, too long a name
    └── NotFittedError          a method was asked to score before it was fitted
"""

from __future__ import annotations


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


class NotFittedError(BrightfieldError):
    """A method was asked to score before it was fitted."""
