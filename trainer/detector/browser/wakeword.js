// Listens for a wake word with a model of Wakeword Studio, as its detector in Python does.
//
//     import * as ort from "./ort.wasm.bundle.min.mjs";
//     import { Detector, listen } from "./wakeword.js";
//     const stop = await listen(await Detector.load(ort), ({ time, score }) => console.log(time, score));

export const RATE = 16000;
const MOST_BEHIND_SECONDS = 10;

/** Rounds halves to the even number, as Python does: 0.2 s of hops of 0.08 s are 2. */
function rounded(value) {
  const nearest = Math.round(value);
  return nearest - value === 0.5 && nearest % 2 ? nearest - 1 : nearest;
}

function joined(first, second) {
  const all = new Float32Array(first.length + second.length);
  all.set(first);
  all.set(second, first.length);
  return all;
}

/** A stream of audio and the model that scores it, once per hop. Create another one for another stream. */
export class Detector {
  /** `ort` is onnxruntime-web; `folder` the address of front.onnx, head.onnx and detector.json. Threads would need
   * headers that few servers send, and one is enough. */
  static async load(ort, folder = new URL(".", import.meta.url)) {
    const fetched = async (name) => {
      const answer = await fetch(new URL(name, folder));
      if (!answer.ok) throw new Error(`${name} was not found beside this page (${answer.status}).`);
      return answer;
    };
    ort.env.wasm.numThreads = 1;
    const settings = await (await fetched("detector.json")).json();
    const parts = ["front.onnx", "head.onnx"].map(async (name) =>
      ort.InferenceSession.create(await (await fetched(name)).arrayBuffer(), { executionProviders: ["wasm"] }),
    );
    return new Detector(ort, settings, ...(await Promise.all(parts)));
  }

  constructor(ort, settings, front, head) {
    Object.assign(this, { ort, settings, front, head });
    const { step_samples, context_samples, per_window } = settings.columns;
    this.hopSeconds = settings.hop_ms / 1000;
    this.hop = rounded(this.hopSeconds * RATE);
    const window = rounded(settings.window_seconds * RATE);
    const lead = (per_window - 1) * step_samples + context_samples - window;
    this.wave = new Float32Array(window - this.hop + Math.max(0, lead)); // silence before the stream
    this.columns = null; // those that the next window shares with the last one
    this.waiting = 0; // samples since the last hop
    this.hops = 0;
    this.recent = [];
    this.smoothingHops = Math.max(1, rounded(settings.smoothing_seconds / this.hopSeconds));
    this.refractoryHops = Math.ceil(settings.refractory_seconds / this.hopSeconds - 1e-9);
    this.silent = 0; // hops of the refractory time that are left
  }

  /** Takes the next samples (Float32Array in -1..1 at 16 kHz). Returns the score of each hop that ends in them, and the
   * detections: seconds since the start, and the smoothed score. Await it before the next call. */
  async push(samples) {
    this.wave = joined(this.wave, samples.map((value) => Math.min(1, Math.max(-1, value))));
    const scores = [];
    const detections = [];
    for (this.waiting += samples.length; this.waiting >= this.hop; this.waiting -= this.hop) {
      const score = await this.#score();
      scores.push(score);
      const detection = this.#detection(score);
      if (detection) detections.push(detection);
    }
    return { scores, detections };
  }

  async #score() {
    const { step_samples, context_samples, dropped, per_window } = this.settings.columns;
    const perHop = Math.floor(this.hop / step_samples);
    const due = this.columns ? perHop : per_window;
    const piece = this.wave.slice(0, (due - 1) * step_samples + context_samples);
    const waveform = new this.ort.Tensor("float32", piece, [1, piece.length]);
    const made = (await this.front.run({ waveform }, ["columns"])).columns;
    const rows = made.dims[2];
    const window = joined(this.columns ?? [], made.data.subarray(dropped * rows));
    const columns = new this.ort.Tensor("float32", window, [1, per_window, rows]);
    const [score] = (await this.head.run({ columns }, ["probability"])).probability.data;
    if (!(score >= 0 && score <= 1)) throw new Error("The model returns no probability. Export it again.");
    this.wave = this.wave.slice(due * step_samples);
    this.columns = window.slice(perHop * rows);
    return score;
  }

  #detection(score) {
    this.hops += 1;
    this.recent = [...this.recent, score].slice(-this.smoothingHops);
    const smoothed = this.recent.reduce((sum, value) => sum + value, 0) / this.recent.length;
    if (this.silent > 0) {
      this.silent -= 1;
    } else if (smoothed >= this.settings.threshold) {
      this.silent = this.refractoryHops - 1;
      return { time: this.hops * this.hopSeconds, score: smoothed };
    }
    return null;
  }
}

/** Listens to the microphone. Calls `heard` with each detection, `scored` with each score, and `failed` with the error
 * that ends it. Returns the function that stops it. Raises an Error that says why there is no microphone. */
export async function listen(detector, heard, scored = () => {}, failed = console.error) {
  if (!navigator.mediaDevices) throw new Error("Browsers give the microphone only to pages on https or localhost.");
  const raw = { channelCount: 1, echoCancellation: false, noiseSuppression: false, autoGainControl: false };
  const microphone = await navigator.mediaDevices.getUserMedia({ audio: raw });
  const context = new AudioContext({ sampleRate: RATE }); // the browser resamples
  const stop = () => {
    microphone.getTracks().forEach((track) => track.stop());
    if (context.state !== "closed") context.close();
  };
  try {
    await context.audioWorklet.addModule(new URL("samples.js", import.meta.url));
    const samples = new AudioWorkletNode(context, "samples", { numberOfOutputs: 0 });
    context.createMediaStreamSource(microphone).connect(samples);
    let work = Promise.resolve();
    let behind = 0;
    samples.port.onmessage = ({ data }) => {
      behind += data.length;
      work = work.then(async () => {
        if (context.state === "closed") return;
        if (behind > MOST_BEHIND_SECONDS * RATE) throw new Error("This device is too slow for the model.");
        const { scores, detections } = await detector.push(data);
        behind -= data.length;
        scores.forEach(scored);
        detections.forEach(heard);
      }).catch((error) => {
        stop();
        failed(error);
      });
    };
  } catch (error) {
    stop();
    throw error;
  }
  return stop;
}
