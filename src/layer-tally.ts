/** How far the layers of one image have come. */
import type { LayerState } from "./events.js";
import { megabytes } from "./space.js";

interface Tally {
  readonly size: number;
  received: number;
  done: boolean;
}

export class LayerTally {
  #layers: Tally[] = [];

  /** The layers are known; base first. */
  begin(sizes: readonly number[]): void {
    this.#layers = sizes.map((size) => ({ size, received: 0, done: false }));
  }

  state(index: number, state: LayerState): void {
    const layer = this.#layers[index];
    if (layer !== undefined) {
      layer.done = state === "complete" || state === "exists";
    }
  }

  received(index: number, bytes: number): void {
    const layer = this.#layers[index];
    if (layer !== undefined) layer.received = bytes;
  }

  /** In words; empty before the layers are known. */
  toString(): string {
    const layers = this.#layers;
    if (layers.length === 0) return "";
    const done = layers.filter((layer) => layer.done).length;
    const total = layers.reduce((sum, { size }) => sum + size, 0);
    const received = layers.reduce(
      (sum, layer) => sum + (layer.done ? layer.size : layer.received),
      0,
    );
    return `${done} of ${layers.length} layers are there, ${megabytes(received)} of ${megabytes(total)} have come`;
  }
}
