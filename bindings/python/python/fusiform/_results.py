"""Plain answers: named tuples, which can be compared, printed and pickled."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path
from typing import Literal, NamedTuple, Optional


class BoundingBox(NamedTuple):
    """An upright rectangle in pixels of the upright photo; it may reach over the photo's edge."""

    x_min: float
    y_min: float
    x_max: float
    y_max: float

    @property
    def width(self) -> float:
        """Width in pixels."""
        return max(0.0, self.x_max - self.x_min)

    @property
    def height(self) -> float:
        """Height in pixels."""
        return max(0.0, self.y_max - self.y_min)


class Quality(NamedTuple):
    """How much of a recogniser's accuracy a face keeps, 0 to 1; ``overall`` is the product of the
    others but ``frontal``, and 0 for a face by which nobody can be recognised."""

    overall: float
    size: float
    sharpness: float
    exposure: float
    frontal: float
    detector_score: float
    recognisability: float


class Pose(NamedTuple):
    """Where a face is directed, in degrees: turned to the subject's left, up, and clockwise in the
    picture are positive."""

    yaw_deg: float
    pitch_deg: float
    roll_deg: float


class Threshold(NamedTuple):
    """A similarity and the error rates that were measured at it."""

    #: False-match rate: the share of pairs of different people that reach the similarity.
    fmr: float
    similarity: float
    #: False non-match rate: the share of pairs of one person that do not reach it.
    fnmr: float


class Verification(NamedTuple):
    """Whether two faces are of one person, and what the answer rests on."""

    #: Cosine similarity, -1 to 1; larger is nearer.
    similarity: float
    verdict: Literal["same", "different", "unsure"]
    #: At or above: same.
    same_at: Threshold
    #: Below: different.
    different_below: Threshold


class Consent(NamedTuple):
    """On what ground a person is enrolled."""

    #: The legal ground: consent, contract, household and the like.
    basis: str
    #: What the enrolment is for.
    purpose: str
    #: When it ends; nobody is found by it afterwards. None: until erased. Without a time zone it is
    #: local time.
    expires_at: Optional[datetime] = None

    def _expires_at_ms(self) -> Optional[int]:
        return None if self.expires_at is None else round(self.expires_at.timestamp() * 1000)


class Person(NamedTuple):
    """Somebody who is enrolled."""

    #: By which the audit log names the person; never used again.
    number: int
    name: str
    consent: Consent


class Identification(NamedTuple):
    """Who a face is, and what the answer rests on."""

    #: None is a person who is not enrolled.
    name: Optional[str]
    #: To the nearest enrolled face, named or not; None if nobody is enrolled.
    similarity: Optional[float]
    #: From which on a face is named.
    threshold: Threshold


class AlbumPerson(NamedTuple):
    """A person of an album, named or not."""

    id: int
    name: Optional[str]
    n_photos: int
    n_faces: int


class AlbumMatch(NamedTuple):
    """Who of an album a face is."""

    #: None if nobody is near enough.
    person: Optional[AlbumPerson]
    #: To the nearest face of the album; None if it holds none.
    similarity: Optional[float]
    threshold: Threshold


class PersonPhoto(NamedTuple):
    """One face of a person with its photo."""

    face_id: int
    #: All copies of the photo.
    paths: list[Path]
    #: ISO 8601, the camera's local time.
    taken_at: Optional[str]
    bbox: BoundingBox
    #: To the person; None where you assigned the face.
    similarity: Optional[float]
    quality: float


class AlbumFace(NamedTuple):
    """A face of an album and the person it is assigned to."""

    face_id: int
    bbox: BoundingBox
    quality: float
    person_id: Optional[int]
    name: Optional[str]
    similarity: Optional[float]
    is_unclear: bool


class Decision(NamedTuple):
    """What somebody decided about an album."""

    id: int
    #: UTC in milliseconds since 1970.
    at_ms: int
    actor: str
    what: str
    is_undone: bool
    is_undoable: bool


class GroupSummary(NamedTuple):
    """What a grouping found."""

    n_people: int
    #: Faces assigned to a person.
    n_members: int
    #: Faces assigned to nobody.
    n_unassigned: int


class ScanProblem(NamedTuple):
    """A file that could not be used."""

    path: Path
    #: ``over_limit``, ``damaged``, ``no_photo``, ``not_covered``, ``unreadable`` or ``failed``.
    kind: str
    #: Reason and remedy.
    why: str


class ScanSummary(NamedTuple):
    """What a scan did."""

    #: Files with the name of a photo.
    n_files: int
    #: Recorded by an earlier scan and not read again.
    n_unchanged: int
    #: Read, and found to show a picture that the album has.
    n_known: int
    #: Pictures that are new.
    n_analysed: int
    n_new_faces: int
    problems: list[ScanProblem]
    #: What in photos that were used had no effect, with the photo.
    notes: list[tuple[Path, str]]
    #: Pictures and films that are not read, each with what it seems to be.
    unread: list[tuple[Path, str]]
    #: Folders and files that were left out, each with the reason.
    excluded: list[tuple[Path, str]]


def _consent(basis: str, purpose: str, expires_at_ms: Optional[int]) -> Consent:
    end = None
    if expires_at_ms is not None:
        end = datetime.fromtimestamp(expires_at_ms / 1000, timezone.utc)
    return Consent(basis, purpose, end)


def _scan_summary(
    counts: tuple[int, int, int, int, int],
    problems: list[ScanProblem],
    notes: list[tuple[Path, str]],
    unread: list[tuple[Path, str]],
    excluded: list[tuple[Path, str]],
) -> ScanSummary:
    return ScanSummary(*counts, problems, notes, unread, excluded)
