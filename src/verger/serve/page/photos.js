// Photos before they are sent: made smaller, turned upright, without what else the file told.

export const MOST = 5;
const LONGEST = 1024; // pixels; the network looks at 224
const QUALITY = 0.9;

// Returns { blob, url }; url is null where the browser cannot show the file (HEIC in most), which
// is then sent as it is.
export async function prepare(file) {
  try {
    const blob = await smaller(file);
    return { blob, url: URL.createObjectURL(blob) };
  } catch {
    return { blob: file, url: null };
  }
}

async function smaller(file) {
  const bitmap = await createImageBitmap(file, { imageOrientation: "from-image" });
  const scale = Math.min(1, LONGEST / Math.max(bitmap.width, bitmap.height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(bitmap.width * scale));
  canvas.height = Math.max(1, Math.round(bitmap.height * scale));
  const context = canvas.getContext("2d");
  context.fillStyle = "#fff"; // where the photo is transparent
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  bitmap.close();
  const blob = await new Promise((done) => canvas.toBlob(done, "image/jpeg", QUALITY));
  if (!blob) throw new Error("the canvas gave no picture");
  return blob;
}

export function forget(photos) {
  for (const photo of photos) if (photo.url) URL.revokeObjectURL(photo.url);
}

// Sends the photos. onSent(share) tells how much has gone, 0 to 1. Resolves to the answer; rejects
// with { word, detail, photo, retry } as the server's problem, or { word: "network" }.
export function send(photos, onSent, signal) {
  return new Promise((resolve, reject) => {
    const form = new FormData();
    for (const photo of photos) form.append("photos", photo.blob, "photo");
    const request = new XMLHttpRequest(); // fetch does not tell how much of a body has gone
    request.open("POST", "api/identify");
    request.responseType = "json";
    request.upload.onprogress = (event) => event.lengthComputable && onSent(event.loaded / event.total);
    request.upload.onload = () => onSent(1);
    request.onerror = () => reject({ word: navigator.onLine ? "network" : "offline" });
    request.onabort = () => reject({ word: "cancelled" });
    request.onload = () => {
      if (request.status === 200 && request.response) resolve(request.response);
      else reject(problem(request));
    };
    signal.addEventListener("abort", () => request.abort());
    request.send(form);
  });
}

function problem(request) {
  const said = request.response ?? {};
  const retry = Number(request.getResponseHeader("Retry-After")) || null;
  const word = String(said.type ?? "").replace("urn:verger:problem:", "") || "network";
  return { word, detail: said.detail ?? "", photo: said.photo, retry };
}
