// Collects the microphone's blocks of 128 samples into pieces of 80 ms, in the audio thread of the browser.

const PIECE = 1280;

class Samples extends AudioWorkletProcessor {
  piece = new Float32Array(PIECE);
  filled = 0;

  process([[block]]) {
    if (!block) return true; // not connected yet
    this.piece.set(block, this.filled);
    this.filled += block.length;
    if (this.filled === PIECE) {
      this.port.postMessage(this.piece);
      this.filled = 0;
    }
    return true;
  }
}

registerProcessor("samples", Samples);
