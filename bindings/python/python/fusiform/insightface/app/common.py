"""``Face`` under the name by which ``insightface`` imports it."""

from .face_analysis import Face

__all__ = ["Face"]
