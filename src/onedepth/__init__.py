"""Metric depth from one image: metres for every pixel."""

from __future__ import annotations

__version__ = "0.1.0"
