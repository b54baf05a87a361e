"""The real client deepstack-python against DeepStack's routes. Usage: deepstack_python.py PORT KEY PICTURE AGAIN OTHER"""

import sys

import deepstack.core as deepstack

port, key, *pictures = sys.argv[1:]
one, again, other = (open(picture, "rb").read() for picture in pictures)
face = deepstack.DeepstackFace("127.0.0.1", int(port), api_key=key, timeout=60, min_confidence=0.67)
assert len(face.detect(one)) == 1
assert deepstack.get_recognized_faces(face.recognize(one)) == {}
face.register("Ida", one)
known = deepstack.get_recognized_faces(face.recognize(again))
assert list(known) == ["Ida"] and known["Ida"] >= 80, known
assert deepstack.get_recognized_faces(face.recognize(other)) == {}
assert face.get_registered_faces() == ["Ida"], face.get_registered_faces()
print("detect, register, recognize, list: as deepstack-python reads them", known)
