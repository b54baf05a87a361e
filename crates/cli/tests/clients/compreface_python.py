"""Every call of the Python SDK (compreface-sdk 0.6.0) against a running server.

In: port, three keys, photos of one face, a photo of nobody. Out: a line for each check; exit 1 if
one fails.
"""

import sys

from compreface import CompreFace
from compreface.collections import FaceCollection, Subjects

port, recognition_key, detection_key, verification_key, first, second, nobody = sys.argv[1:]
server = CompreFace("http://127.0.0.1", port)
recognition = server.init_face_recognition(recognition_key)
detection = server.init_face_detection(detection_key)
verification = server.init_face_verification(verification_key)
faces: FaceCollection = recognition.get_face_collection()
subjects: Subjects = recognition.get_subjects()
name = "Ann Müller"
failures = 0


def check(what, answer, right):
    global failures
    try:
        good = right(answer)
    except Exception as error:  # an answer of another shape is a failure, not the end
        good, answer = False, f"{answer!r}: {error!r}"
    print(("ok   " if good else "FAIL ") + what + ("" if good else f": {answer!r}"))
    failures += not good


everything = {
    "limit": 0,
    "det_prob_threshold": 0.5,
    "prediction_count": 3,
    "face_plugins": "calculator,age,gender,landmarks,mask",
    "status": "true",
}
without_count = {k: v for k, v in everything.items() if k != "prediction_count"}
data = open(first, "rb").read()

check("subjects.add", subjects.add(name), lambda a: a == {"subject": name})
check("subjects.add twice", subjects.add(name.upper()), lambda a: a["code"] == 43)
check("subjects.list", subjects.list(), lambda a: a == {"subjects": [name]})
added = faces.add(image_path=first, subject=name)
check("faces.add", added, lambda a: a["subject"] == name and len(a["image_id"]) == 36)
check("faces.add of nobody", faces.add(image_path=nobody, subject=name), lambda a: a["code"] == 28)
threshold = faces.add(image_path=first, subject="Bo", options={"det_prob_threshold": 0.5})
check("faces.add with a threshold", threshold, lambda a: a["subject"] == "Bo")
odd = faces.add(image_path=first, subject="A&B=1")
check("faces.add of A&B=1, which the client cuts", odd, lambda a: a["subject"] == "A")
check("faces.list", faces.list(), lambda a: a["total_elements"] == 3 and a["page_size"] == 20)
best = lambda a: a["result"][0]["subjects"][0]
check("recognize", recognition.recognize(image_path=first), lambda a: best(a)["similarity"] > 0.9)
check(
    "recognize bytes", recognition.recognize(image_path=data), lambda a: best(a)["similarity"] > 0.9
)
full = recognition.recognize(image_path=first, options=everything)
check(
    "recognize with all options",
    full,
    lambda a: (
        len(a["result"][0]["subjects"]) == 3
        and len(a["result"][0]["landmarks"]) == 5
        and len(a["result"][0]["embedding"]) > 64
        and "detector" in a["plugins_versions"]
        and "detector" in a["result"][0]["execution_time"]
    ),
)
check(
    "boxes are integers",
    full,
    lambda a: all(
        type(a["result"][0]["box"][k]) is int for k in ("x_min", "x_max", "y_min", "y_max")
    ),
)
capital = recognition.recognize(
    image_path=first, options={"status": True, "face_plugins": "age, gender"}
)
check("recognize with status=True", capital, lambda a: "plugins_versions" in a)
check("recognize nobody", recognition.recognize(image_path=nobody), lambda a: a["code"] == 28)
check(
    "faces.verify",
    faces.verify(image_path=second, image_id=added["image_id"]),
    lambda a: 0 <= a["result"][0]["similarity"] <= 1 and a["result"][0]["subject"] == name,
)
check(
    "faces.verify with options",
    faces.verify(image_path=first, image_id=added["image_id"], options=without_count),
    lambda a: a["result"][0]["similarity"] > 0.9,
)
unknown = "00000000-0000-4000-8000-000000000000"
check(
    "faces.verify of an unknown id",
    faces.verify(image_path=first, image_id=unknown),
    lambda a: a["code"] == 44,
)
check(
    "detect",
    detection.detect(image_path=first),
    lambda a: a["result"][0]["box"]["probability"] > 0.8,
)
check(
    "detect with options",
    detection.detect(image_path=first, options=without_count),
    lambda a: len(a["result"][0]["landmarks"]) == 5,
)
check(
    "verify",
    verification.verify(source_image_path=first, target_image_path=first),
    lambda a: a["result"][0]["face_matches"][0]["similarity"] > 0.9,
)
check(
    "verify with options",
    verification.verify(source_image_path=first, target_image_path=second, options=without_count),
    lambda a: "plugins_versions" in a["result"][0],
)
check("subjects.update", subjects.update(name, "Anna"), lambda a: a == {"updated": True})
check("subjects.update of nobody", subjects.update("Nobody", "X"), lambda a: a["code"] == 42)
check("faces.delete", faces.delete(added["image_id"]), lambda a: a["subject"] == "Anna")
check("faces.delete again", faces.delete(added["image_id"]), lambda a: a["code"] == 44)
check("faces.delete_all of a subject", faces.delete_all("Bo"), lambda a: a == {"deleted": 1})
check("faces.delete_all of nobody", faces.delete_all("Bo"), lambda a: a == {"deleted": 0})
check("faces.delete_all of ''", faces.delete_all(""), lambda a: a["code"] == 26)
check("subjects.delete", subjects.delete("anna"), lambda a: a == {"subject": "Anna"})
check("subjects.delete_all", subjects.delete_all(), lambda a: a == {"deleted": 1})
check("nothing is left", faces.list(), lambda a: a["faces"] == [] and a["total_elements"] == 0)
wrong = server.init_face_recognition(detection_key)
check("a key of another kind", wrong.get_subjects().list(), lambda a: a["code"] == 10)
sys.exit(failures > 0)
