"""Faces of BGR arrays, as ``insightface.app`` gives them."""

from .face_analysis import Face, FaceAnalysis

__all__ = ["Face", "FaceAnalysis"]
