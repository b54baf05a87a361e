// Every call of the JavaScript SDK (@exadel/compreface-js-sdk 1.0.0) against a running server.
// In: port, three keys, two photos of one face each. Out: a line for each check; exit 1 if one
// fails.
import { readFileSync } from "node:fs";
import { CompreFace } from "@exadel/compreface-js-sdk";

const [port, recognitionKey, detectionKey, verificationKey, first, second] = process.argv.slice(2);
console.log = () => {}; // the SDK prints keys
const say = (line) => process.stdout.write(line + "\n");
const server = new CompreFace("http://127.0.0.1", Number(port));
const recognition = server.initFaceRecognitionService(recognitionKey);
const detection = server.initFaceDetectionService(detectionKey);
const verification = server.initFaceVerificationService(verificationKey);
// A collection keeps the address of its last call, so each call gets its own.
const faces = () => recognition.getFaceCollection();
const subjects = () => recognition.getSubjects();
const base64 = readFileSync(first).toString("base64");
const all = {
    limit: 0,
    det_prob_threshold: 0.5,
    prediction_count: 1,
    face_plugins: "calculator,age,gender,landmarks",
    status: "true",
};
const { prediction_count: _, ...most } = all;
let failures = 0;

async function check(what, call, right) {
    let answer, status;
    try {
        answer = await call();
        status = 200;
    } catch (error) {
        answer = error.response?.data ?? String(error);
        status = error.response?.status;
    }
    let good = false;
    try {
        good = right(answer, status);
    } catch {}
    failures += good ? 0 : 1;
    say(
        (good ? "ok   " : "FAIL ") +
            what +
            (good ? "" : `: ${status} ${JSON.stringify(answer).slice(0, 300)}`),
    );
    return answer;
}

const same = (a) => a.result[0].subjects[0].similarity > 0.9;
await check(
    "subjects.add",
    () => subjects().add("Ann Müller"),
    (a) => a.subject === "Ann Müller",
);
await check(
    "subjects.list",
    () => subjects().list(),
    (a) => a.subjects.length === 1,
);
await check(
    "subjects.rename",
    () => subjects().rename("Ann Müller", "Anna"),
    (a) => a.updated === true,
);
await check(
    "subjects.delete",
    () => subjects().delete("Anna"),
    (a) => a.subject === "Anna",
);
await check(
    "faces.add",
    () => faces().add(first, "Ann Müller"),
    (a) => a.subject === "Ann Müller",
);
const one = await check(
    "faces.add base64",
    () => faces().add(base64, "Ann"),
    (a) => a.image_id.length === 36,
);
await check(
    "faces.add with a threshold, which the client writes into the name",
    () => faces().add(first, "Bo", { det_prob_threshold: 0.5 }),
    (a) => a.subject === "Bo?det_prob_threshold=0.5",
);
const two = await check(
    "faces.add again",
    () => faces().add(second, "Ann"),
    (a) => a.subject === "Ann",
);
await check(
    "faces.list",
    () => faces().list(),
    (a) => a.total_elements === 4,
);
await check("recognize", () => recognition.recognize(first, {}), same);
await check(
    "recognize with all options",
    () => recognition.recognize(first, all),
    (a) => same(a) && a.result[0].landmarks.length === 5,
);
await check("recognize base64", () => recognition.recognize(base64, all), same);
await check(
    "recognize a buffer, sent without boundary",
    () => recognition.recognize(readFileSync(first), {}),
    (a, s) => s === 400 && a.code === 0,
);
await check(
    "faces.verify",
    () => faces().verify(first, one.image_id, { limit: 0 }),
    (a) => a.result[0].similarity > 0.9,
);
await check(
    "faces.verify with all options",
    () => faces().verify(first, one.image_id, most),
    (a) => a.result[0].subject === "Ann",
);
await check(
    "faces.verify base64",
    () => faces().verify(base64, one.image_id),
    (a) => a.result[0].similarity > 0.9,
);
await check(
    "detect",
    () => detection.detect(first),
    (a) => a.result.length === 1,
);
await check(
    "detect with all options",
    () => detection.detect(first, most),
    (a) => a.result[0].landmarks.length === 5,
);
await check(
    "detect base64",
    () => detection.detect(base64),
    (a) => a.result.length === 1,
);
await check(
    "detect with one option",
    () => detection.detect(first, { face_plugins: "age,gender" }),
    (a) => a.result.length === 1,
);
await check(
    "detect with a broken query",
    () => detection.detect(first, { det_prob_threshold: 0.8, face_plugins: "age" }),
    (a, s) => s === 400,
);
await check(
    "verify",
    () => verification.verify(first, first, {}),
    (a) => a.result[0].face_matches[0].similarity > 0.9,
);
await check(
    "verify with all options",
    () => verification.verify(first, second, most),
    (a) => "plugins_versions" in a.result[0],
);
const kept = faces();
await check(
    "faces.delete",
    () => kept.delete(one.image_id),
    (a) => a.subject === "Ann",
);
await check(
    "the same collection's stale address",
    () => kept.delete(two.image_id),
    (a, s) => s === 404,
);
await check(
    "faces.delete_multiple_images",
    () => faces().delete_multiple_images([one.image_id, two.image_id]),
    (a) => a.length === 1 && a[0].image_id === two.image_id,
);
await check(
    "faces.delete_all_subject",
    () => faces().delete_all_subject("Ann Müller"),
    (a) => a.deleted === 1,
);
await check(
    "faces.delete_all",
    () => faces().delete_all(),
    (a) => a.deleted === 1,
);
await check(
    "subjects.deleteAll",
    () => subjects().deleteAll(),
    (a) => Number.isInteger(a.deleted),
);
await check(
    "a wrong key",
    () => server.initFaceRecognitionService(detectionKey).getSubjects().list(),
    (a, s) => s === 404 && a.code === 10,
);
process.exit(failures > 0 ? 1 : 0);
