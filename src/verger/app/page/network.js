// The network, computed by ONNX Runtime Web: squares of pixels in, features out.

import * as ort from "./onnxruntime-web.js";

const MOST_THREADS = 4;

// runtime: its bytes, or its address. input: how the network wants a photo (a backbone's card). Returns
// a function from the views of a photo, Uint8Array (views, size, size, 3), to its features, the mean
// over them.
export async function openNetwork(runtime, model, { input, output }) {
  if (typeof runtime === "string") ort.env.wasm.wasmPaths = { wasm: runtime };
  else ort.env.wasm.wasmBinary = runtime;
  // Threads share memory, which browsers allow on pages that are cut off from other origins.
  ort.env.wasm.numThreads = self.crossOriginIsolated ? Math.min(navigator.hardwareConcurrency, MOST_THREADS) : 1;
  ort.env.logLevel = "error";
  const session = await ort.InferenceSession.create(model, { executionProviders: ["wasm"] });
  const { size, views } = input;
  const shape = input.layout === "NHWC" ? [views.length, size, size, 3] : [views.length, 3, size, size];
  const network = async (pixels) => {
    const fed = new ort.Tensor(input.dtype, asInput(pixels, input), shape);
    const { [output]: out } = await session.run({ [input.name]: fed });
    const features = averaged(out.data, views.length);
    out.dispose();
    return features;
  };
  return Object.assign(network, { framing: { size, views } });
}

function asInput(pixels, { layout, dtype, color, size, mean, std }) {
  if (dtype === "uint8" && layout === "NHWC" && color === "RGB") return pixels;
  const out = dtype === "uint8" ? new Uint8Array(pixels.length) : new Float32Array(pixels.length);
  const area = size * size;
  for (let at = 0; at < pixels.length; at += 1) {
    const band = color === "RGB" ? at % 3 : 2 - (at % 3);
    let value = pixels[at];
    if (dtype === "float32") value = mean ? (value / 255 - mean[band]) / std[band] : value / 255;
    const pixel = Math.floor(at / 3);
    const view = Math.floor(pixel / area);
    out[layout === "NHWC" ? pixel * 3 + band : (view * 3 + band) * area + (pixel % area)] = value;
  }
  return out;
}

function averaged(values, views) {
  const out = new Float32Array(values.length / views);
  for (let at = 0; at < values.length; at += 1) out[at % out.length] += values[at] / views;
  return out;
}
