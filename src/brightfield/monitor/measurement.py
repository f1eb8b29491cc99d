"""Measurements of pictures, of the reference and of the line by the same function."""

from __future__ import annotations

from brightfield.engine.measurement import Measurement as Measurement  # part of this module's interface
