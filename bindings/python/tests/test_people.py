"""Galleries and albums: enrolled people, and people found in folders."""

from __future__ import annotations

import time
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from conftest import ALBUM, GROUP, OTHER_PERSON, PORTRAIT, SAME_PERSON

import fusiform
from fusiform import Consent


def test_enrolled_people_are_identified_until_erased(
    engine: fusiform.Engine, tmp_path: Path
) -> None:
    file = tmp_path / "people.db"
    end = datetime(2090, 1, 2, 3, 4, 5, tzinfo=timezone.utc)
    consent = Consent("consent", "a test", end)
    mara, ida = (engine.analyse(p).largest() for p in (PORTRAIT, OTHER_PERSON))
    with fusiform.Gallery(file, engine) as people:
        number = people.enrol("Mara", mara, consent=consent)
        assert len(number) == 36
        people.enrol("Ida", ida)
        assert [p.name for p in people.people()] == ["Mara", "Ida"]
        assert people.people()[0].consent == consent
        assert people.people()[1].consent.expires_at is None
    # On disk, and nothing of it in the clear.
    assert b"Mara" not in file.read_bytes()
    with fusiform.Gallery(file, engine) as people:
        found = people.identify(engine.analyse(SAME_PERSON).largest(), fmr=1e-4)
        assert found.name == "Mara" and found.similarity is not None
        assert found.similarity >= found.threshold.similarity and found.threshold.fmr == 1e-4
        faces = engine.analyse(GROUP).faces
        answers = people.identify_all(faces)
        assert answers == [people.identify(face) for face in faces]
        assert people.identify_all([]) == []
        assert people.erase("Mara") and not people.erase("Mara")
        assert people.identify(mara).name is None
        with pytest.raises(fusiform.Error) as busy:
            fusiform.Gallery(file, engine)
        assert busy.value.kind == "busy"
    with pytest.raises(fusiform.Error) as wrong:
        fusiform.Gallery(file, engine, passphrase="correct horse battery staple")
    assert wrong.value.kind == "wrong_key"


def test_consent_ends(engine: fusiform.Engine) -> None:
    face = engine.analyse(PORTRAIT).largest()
    people = fusiform.Gallery(None, engine)
    past = datetime.now() - timedelta(seconds=5)
    with pytest.raises(fusiform.Error) as refused:
        people.enrol("Mara", face, consent=Consent("consent", "a test", past))
    assert refused.value.kind == "refused"
    soon = datetime.now() + timedelta(seconds=3)
    people.enrol("Mara", face, consent=Consent("consent", "a test", soon))
    assert people.identify(face).name == "Mara"
    while datetime.now() <= soon:
        time.sleep(0.05)
    assert people.identify(face).name is None
    assert people.erase_ended() == 1 and people.people() == []


def test_what_cannot_be_enrolled_has_a_kind(engine: fusiform.Engine, tmp_path: Path) -> None:
    face = engine.analyse(PORTRAIT).largest()
    people = fusiform.Gallery(None, engine)
    for name in ("", "  "):
        with pytest.raises(fusiform.Error) as bad_name:
            people.enrol(name, face)
        assert bad_name.value.kind == "bad_name"
    empty = engine.describe(PORTRAIT, (0, 0, 30, 30))
    assert empty.is_unclear
    with pytest.raises(fusiform.Error) as unusable:
        people.enrol("Nobody", empty)
    assert unusable.value.kind == "unusable_face"
    with pytest.raises(fusiform.OptionError):
        fusiform.Gallery(tmp_path / "x.db", engine, key="0" * 64, passphrase="a passphrase")
    with pytest.raises(fusiform.OptionError):
        fusiform.Gallery(None, engine, key="0" * 64)
    with pytest.raises(TypeError):
        people.identify("face")  # type: ignore[arg-type]


def test_an_album_finds_people_and_keeps_decisions(
    engine: fusiform.Engine, tmp_path: Path
) -> None:
    broken = tmp_path / "photos/broken.jpg"
    broken.parent.mkdir()
    broken.write_bytes(b"no photo")
    steps: list[tuple[int, int]] = []
    with fusiform.Album(tmp_path / "album.db", engine) as album:
        summary = album.scan(
            ALBUM, broken.parent, progress=lambda done, of: steps.append((done, of))
        )
        assert summary.n_analysed == 25 and summary.n_files == 26
        assert [(p.path.name, p.kind) for p in summary.problems] == [("broken.jpg", "no_photo")]
        assert steps[0] == (0, 26) and steps[-1] == (26, 26)
        grouped = album.group()
        people = album.people()
        assert grouped.n_people == len(people) > 4
        most = people[0]
        album.name(most.id, "Ida")
        assert album.find_person("ida") == most.id and album.person(most.id).name == "Ida"
        photos = album.photos_of(most.id)
        assert len(photos) == most.n_faces and photos[0].paths[0].is_absolute()
        found = album.faces_in(photos[0].paths[0])
        assert any(face.name == "Ida" and face.face_id == photos[0].face_id for face in found)
        box = photos[0].bbox
        faces = engine.analyse(photos[0].paths[0]).faces
        face = next(f for f in faces if f.bbox == box)
        match = album.identify(face)
        assert match.person == album.person(most.id)
        assert match.similarity is not None and match.similarity > 0.999
        other = people[1]
        album.merge(most.id, other.id)
        assert album.person(most.id).n_faces == most.n_faces + other.n_faces
        album.undo()
        assert album.person(most.id).n_faces == most.n_faces
        apart = album.split(most.id, [photos[0].face_id])
        assert apart != most.id
        album.ignore([photos[1].face_id])
        assert [d.is_undone for d in album.history()] == [False, False, True, False]
        assert album.erase(most.id) >= 1
        with pytest.raises(fusiform.Error) as gone:
            album.find_person("Ida")
        assert gone.value.kind == "unknown_person"
    assert album_is_read_only(engine, tmp_path / "album.db")
    with pytest.raises(fusiform.Error) as missing:
        fusiform.Album(tmp_path / "none.db", engine, create=False)
    assert missing.value.kind in ("database", "io")


def album_is_read_only(engine: fusiform.Engine, file: Path) -> bool:
    with fusiform.Album(file, engine, read_only=True) as album:
        person = album.people()[0].id
        try:
            album.name(person, "Tom")
        except fusiform.Error as error:
            return error.kind == "read_only"
    return False
