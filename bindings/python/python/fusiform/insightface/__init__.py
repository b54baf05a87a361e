"""``FaceAnalysis`` and ``Face`` in the shape of the package ``insightface``.

>>> from fusiform.insightface.app import FaceAnalysis
>>> app = FaceAnalysis()
>>> app.prepare(ctx_id=0, det_size=(640, 640))
>>> app.get(cv2.imread("party.jpg"))[0].normed_embedding

What differs is listed in ``docs/languages.md`` of the repository.
"""

from . import app
from .app import Face, FaceAnalysis

__all__ = ["Face", "FaceAnalysis", "app"]
