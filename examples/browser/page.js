// The page: photos that are chosen go to the worker as pixels; boxes and verdicts come back.
const LONGEST_SIDE_PX = 1600;

const chooser = document.querySelector("#photos");
const said = document.querySelector("#said");
const pictures = document.querySelector("#pictures");
const table = document.querySelector("#pairs");
const worker = new Worker(new URL("worker.js", import.meta.url), { type: "module" });
let nPhotos = 0;

/** Asks the worker and waits; one question at a time. */
function ask(message, transfer = []) {
  return new Promise((resolve, reject) => {
    worker.onmessage = ({ data }) => (data.error ? reject(new Error(data.error)) : resolve(data));
    worker.onerror = () => reject(new Error("the worker cannot be started"));
    worker.postMessage(message, transfer);
  });
}

/** What a face is called: the number of its photo, and its own. */
const faceName = ([photo, face]) => `${photo + 1}.${face + 1}`;

function draw(context, faces, scale) {
  context.lineWidth = 3 * scale;
  context.font = `bold ${20 * scale}px system-ui, sans-serif`;
  for (const [at, { bbox, isUnclear }] of faces.entries()) {
    context.strokeStyle = context.fillStyle = isUnclear ? "#a0a0a0" : "#ffcc00";
    context.strokeRect(bbox.xMin, bbox.yMin, bbox.xMax - bbox.xMin, bbox.yMax - bbox.yMin);
    context.fillText(faceName([nPhotos, at]), bbox.xMin, bbox.yMin - 4 * scale);
  }
}

async function look(file) {
  // The browser decodes, and turns the photo upright.
  const bitmap = await createImageBitmap(file);
  const shrink = Math.min(1, LONGEST_SIDE_PX / Math.max(bitmap.width, bitmap.height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.round(bitmap.width * shrink);
  canvas.height = Math.round(bitmap.height * shrink);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  bitmap.close();
  const { data, width, height } = context.getImageData(0, 0, canvas.width, canvas.height);
  const { faces, pairs, ms } = await ask({ call: "analyse", image: { data, width, height } }, [data.buffer]);
  draw(context, faces, Math.max(width, height) / 800);
  const figure = document.createElement("figure");
  const caption = document.createElement("figcaption");
  const unclear = faces.filter((face) => face.isUnclear).length;
  caption.textContent = `Photo ${nPhotos + 1}, ${file.name}: ${faces.length} faces` +
    `${unclear ? `, ${unclear} unclear` : ""}, ${Math.round(ms)} ms`;
  figure.append(canvas, caption);
  figure.dataset.faces = JSON.stringify(faces);
  pictures.append(figure);
  for (const pair of pairs) {
    const row = table.tBodies[0].insertRow();
    for (const text of [`${faceName(pair.a)} and ${faceName(pair.b)}`, pair.similarity.toFixed(3), pair.verdict]) {
      row.insertCell().textContent = text;
    }
  }
  table.hidden = table.tBodies[0].rows.length === 0;
  nPhotos += 1;
}

chooser.addEventListener("change", async () => {
  chooser.disabled = true;
  const problems = [];
  for (const file of [...chooser.files]) {
    said.textContent = `Looking at ${file.name}…`;
    try {
      await look(file);
    } catch (error) {
      problems.push(`${file.name}: ${error.message}`);
    }
  }
  chooser.value = "";
  chooser.disabled = false;
  said.textContent = ["Ready.", ...problems].join(" ");
});

try {
  await ask({ call: "open" });
  chooser.disabled = false;
  said.textContent = "Ready.";
} catch (error) {
  said.textContent = error.message;
}
