"""Requests byte for byte as real clients send them, and as nobody should.

In: port, three keys, a photo of one face, a photo of nobody. Out: a line for each check; exit 1 if
one fails.
"""

import json
import random
import socket
import sys

port, recognition_key, detection_key, verification_key, photo, nobody = sys.argv[1:]
data = open(photo, "rb").read()
failures = 0
API = "/api/v1/recognition"


def talk(request, pieces=None, wait=30, end=False):
    """Sends bytes, gives status and body."""
    with socket.create_connection(("127.0.0.1", int(port)), timeout=wait) as line:
        try:
            line.sendall(request)
            for piece in pieces or []:
                line.sendall(piece)
            if end:
                line.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        answer = b""
        try:
            while piece := line.recv(65536):
                answer += piece
        except OSError:
            pass
    head, _, body = answer.partition(b"\r\n\r\n")
    if head.startswith(b"HTTP/1.1 100"):
        head, _, body = body.partition(b"\r\n\r\n")
    words = head.split(b" ", 2)
    status = int(words[1]) if len(words) > 1 else 0
    if b"chunked" in head.lower():
        whole = b""
        while body:
            size, _, body = body.partition(b"\r\n")
            n = int(size, 16)
            whole, body = whole + body[:n], body[n + 2 :]
        body = whole
    return status, head, body


def head(method, target, key, *more):
    target = target if isinstance(target, bytes) else target.encode()
    lines = [
        method.encode() + b" " + target + b" HTTP/1.1",
        b"Host: 127.0.0.1:" + port.encode(),
        b"Connection: close",
    ]
    lines += [b"x-api-key: " + key.encode()] if key is not None else []
    return (
        b"\r\n".join(lines + [m.encode() if isinstance(m, str) else m for m in more]) + b"\r\n\r\n"
    )


def multipart(parts, boundary=b"axios-1.x-boundary"):
    body = b""
    for disposition, content in parts:
        body += (
            b"--"
            + boundary
            + b"\r\nContent-Disposition: form-data; "
            + disposition
            + b"\r\n\r\n"
            + content
            + b"\r\n"
        )
    return body + b"--" + boundary + b"--\r\n"


def chunked(body):
    for start in range(0, len(body), 16384):
        piece = body[start : start + 16384]
        yield b"%x\r\n" % len(piece) + piece + b"\r\n"
    yield b"0\r\n\r\n"


def check(what, answer, right):
    global failures
    status, _, body = answer
    try:
        good = right(status, json.loads(body) if body else None)
    except Exception:
        good = False
    if not good:
        print("FAIL", what, status, body[:300])
        failures += 1
    elif not what.startswith("~"):
        print("ok  ", what)


FORM = "Content-Type: multipart/form-data; boundary=axios-1.x-boundary"
FILE = (b'name="file"; filename="face.jpg"\r\nContent-Type: image/jpeg', data)


def post(target, key=recognition_key, parts=(FILE,), kind=FORM, chunks=False):
    body = multipart(parts)
    if chunks:
        return talk(head("POST", target, key, kind, "Transfer-Encoding: chunked"), chunked(body))
    return talk(head("POST", target, key, kind, f"Content-Length: {len(body)}") + body)


# Double Take: 1.13.1 sends chunks, its fork a length.
for chunks in (True, False):
    who = "double-take 1.13.1" if chunks else "double-take's fork"
    check(
        f"{who}: train",
        post(API + "/faces?subject=Ann+M%C3%BCller", chunks=chunks),
        lambda s, a: s == 201 and a["subject"] == "Ann Müller",
    )
    check(
        f"{who}: recognize",
        post(API + "/recognize?face_plugins=undefined&det_prob_threshold=0.8", chunks=chunks),
        lambda s, a: (
            s == 200
            and a["result"][0]["subjects"][0]["subject"] == "Ann Müller"
            and type(a["result"][0]["box"]["x_min"]) is int
        ),
    )
    check(
        f"{who}: remove",
        talk(head("DELETE", API + "/faces?subject=Ann+M%C3%BCller", recognition_key)),
        lambda s, a: s == 200 and a == {"deleted": 1},
    )

# What the wire notes list.
check(
    "a query that starts with &",
    post(API + "/recognize?&limit=0"),
    lambda s, a: s == 200 and a["result"],
)
check(
    "an empty collection", post(API + "/recognize"), lambda s, a: a["result"][0]["subjects"] == []
)
check(
    "a part without a type",
    post(API + "/recognize", parts=[(b'name="file"; filename="face.jpg"', data)]),
    lambda s, a: s == 200,
)
check(
    "UTF-8 in the request line",
    post(b"/api/v1/recognition/faces?subject=M\xc3\xbcller"),
    lambda s, a: s == 201 and a["subject"] == "Müller",
)
check(
    "Latin-1 in the request line",
    talk(head("DELETE", b"/api/v1/recognition/faces?subject=M\xfcller", recognition_key)),
    lambda s, a: s == 200 and a == {"deleted": 1},
)
check(
    "no boundary",
    post(API + "/recognize", kind="Content-Type: multipart/form-data"),
    lambda s, a: s == 400 and a["code"] == 0,
)
check(
    "two question marks",
    post("/api/v1/detection/detect?det_prob_threshold=0.8?face_plugins=age", detection_key),
    lambda s, a: s == 400,
)
check(
    "a stale address",
    talk(
        head("DELETE", API + "/faces/" + recognition_key + "/" + recognition_key, recognition_key)
    ),
    lambda s, a: s == 404,
)
check(
    "a trailing slash",
    talk(head("GET", API + "/subjects/", recognition_key)),
    lambda s, a: s == 200,
)
check(
    "the documentation's malformed JSON",
    talk(
        head(
            "PUT",
            API + "/subjects/Ann%20M",
            recognition_key,
            "Content-Type: application/json",
            "Content-Length: 15",
        )
        + b'{"subject: "x"}'
    ),
    lambda s, a: s == 400,
)
check(
    "Expect: 100-continue",
    talk(
        head(
            "POST",
            API + "/recognize",
            recognition_key,
            FORM,
            f"Content-Length: {len(multipart([FILE]))}",
            "Expect: 100-continue",
        )
        + multipart([FILE])
    ),
    lambda s, a: s == 200,
)
check(
    "preflight without a key",
    talk(head("OPTIONS", API + "/recognize", None)),
    lambda s, a: s == 204,
)
check(
    "GET of a path for POST",
    talk(head("GET", API + "/recognize", recognition_key)),
    lambda s, a: s == 404 and a["code"] == 0,
)
for key, code in ((None, 20), ("", 26), ("x" * 36, 26), (detection_key, 10)):
    check(
        f"key {key!r:.12}", talk(head("GET", API + "/nowhere", key)), lambda s, a: a["code"] == code
    )
check(
    "no part",
    post(API + "/recognize", parts=[(b'name="other"; filename="a.jpg"', b"x")]),
    lambda s, a: a["code"] == 34,
)
check(
    "a bad extension",
    post(API + "/recognize", parts=[(b'name="file"; filename="a.txt"', data)]),
    lambda s, a: a["code"] == 21,
)
check(
    "no image",
    post(API + "/recognize", parts=[(b'name="file"; filename="a.jpg"', b"hello")]),
    lambda s, a: a["code"] == 28,
)
check(
    "nobody",
    post(API + "/recognize", parts=[(b'name="file"; filename="a.jpg"', open(nobody, "rb").read())]),
    lambda s, a: a["code"] == 28,
)
check("a negative limit", post(API + "/recognize?limit=-1"), lambda s, a: a["code"] == 26)
check(
    "a threshold out of range",
    post(API + "/recognize?det_prob_threshold=2"),
    lambda s, a: a["code"] == 28,
)
check(
    "6 MB of file",
    post(API + "/recognize", parts=[(b'name="file"; filename="a.jpg"', b"x" * 6_000_000)]),
    lambda s, a: s == 400 and a["code"] == 0,
)
big = (
    head("POST", API + "/recognize", recognition_key, FORM, "Content-Length: 11000000")
    + b"x" * 11_000_000
)
check("11 MB of body", talk(big), lambda s, a: s in (0, 413))

# A thousand bad requests from a fixed seed: never a crash, a 5xx only as the contract has it, no
# other tenant's data.
dice = random.Random(20261125)
secret = post(API + "/faces?subject=Hidden")
names = [
    "",
    "\0",
    "a" * 5000,
    "../../etc/passwd",
    "%2e%2e%2f",
    "'; DROP TABLE subject; --",
    "\u202e",
    "[x]",
    "%",
    "%zz",
    "ä" * 300,
]
counts = {}
for turn in range(1000):
    kind = dice.randrange(8)
    name = (
        dice.choice(names)
        .encode("utf-8", "surrogatepass")
        .replace(b" ", b"%20")
        .replace(b"\0", b"%00")
    )
    if kind == 0:
        content = data[: dice.randrange(len(data))]
        answer = post(
            API + "/recognize",
            verification_key if dice.random() < 0.3 else recognition_key,
            [(FILE[0], content)],
        )
    elif kind == 1:
        content = bytearray(data)
        for _ in range(dice.randrange(1, 60)):
            content[dice.randrange(len(content))] = dice.randrange(256)
        answer = post(API + "/recognize", parts=[(FILE[0], bytes(content))])
    elif kind == 2:
        # A PNG that says it is 60,000 pixels wide and high.
        bomb = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\xea\x60\0\0\xea\x60\x08\x02\0\0\0" + bytes(
            dice.randrange(256) for _ in range(64)
        )
        answer = post(API + "/recognize", parts=[(b'name="file"; filename="b.png"', bomb)])
    elif kind == 3:
        answer = talk(
            head(
                dice.choice(["PUT", "DELETE", "PATCH", "TRACE", "BREW"]),
                API.encode() + b"/subjects/" + (name or b"x"),
                recognition_key,
                "Content-Length: 0",
            )
        )
    elif kind == 4:
        body = dice.choice(
            [
                b"",
                b"{",
                b"[]",
                b"null",
                b'{"file": 3}',
                b'{"file": "data:image/png;base64,AA"}',
                b'{"embeddings": [[1e400]]}',
                b'{"embeddings": [[]]}',
                b"[" * 5000,
                b'{"subject": "' + b"x" * 3000 + b'"}',
                b'["no-uuid"]',
            ]
        )
        path = dice.choice(
            [
                "/recognize",
                "/subjects",
                "/faces/delete",
                "/faces?subject=X",
                "/embeddings/recognize",
                "/faces/x/verify",
            ]
        )
        answer = talk(
            head(
                "POST",
                API + path,
                recognition_key,
                "Content-Type: application/json",
                f"Content-Length: {len(body)}",
            )
            + body
        )
    elif kind == 5:
        noise = bytes(dice.randrange(256) for _ in range(dice.randrange(1, 400)))
        answer = talk(noise, end=True)
    elif kind == 6:
        key = "%08x-0000-4000-8000-%012x" % (dice.getrandbits(32), dice.getrandbits(48))
        answer = talk(head("GET", API + "/faces?subject=Hidden", key))
    else:
        answer = talk(head("GET", b"/api/v1/static/" + name + b"/images/" + name, None))
    status, _, body = answer
    counts[status] = counts.get(status, 0) + 1
    if (
        status >= 500
        or (kind == 6 and status not in (404, 429))
        or (kind in (3, 4, 5, 7) and b"Hidden" in body)
    ):
        print("FAIL bad request", turn, kind, status, body[:200])
        failures += 1
print("ok   1000 bad requests were answered:", dict(sorted(counts.items())))

# A body that never comes must not hold the server up.
slow = socket.create_connection(("127.0.0.1", int(port)))
slow.sendall(head("POST", API + "/recognize", recognition_key, FORM, "Content-Length: 1000"))
status, _, body = talk(head("GET", "/healthz", None))
print("ok   alive beside a slow body" if status == 200 else f"FAIL health {status}")
failures += status != 200
slow.close()
check(
    "the other key's subjects are still there",
    talk(head("GET", API + "/subjects", recognition_key)),
    lambda s, a: "Hidden" in a["subjects"],
)
check(
    "and can be erased",
    talk(head("DELETE", API + "/subjects", recognition_key)),
    lambda s, a: s == 200,
)
sys.exit(failures > 0)
