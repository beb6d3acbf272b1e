/** Bytes from the network, by the host that sent them. */
export class ByteCount {
  readonly #hosts = new Map<string, number>();

  /** A function to give as `onReceived`. */
  readonly add: (host: string, bytes: number) => void = (host, bytes) => {
    this.#hosts.set(host, (this.#hosts.get(host) ?? 0) + bytes);
  };

  get total(): number {
    let total = 0;
    for (const bytes of this.#hosts.values()) total += bytes;
    return total;
  }

  /** Adds everything of another count, which is empty then: bytes are counted once. */
  take(other: ByteCount): void {
    for (const [host, bytes] of other.#hosts) this.add(host, bytes);
    other.#hosts.clear();
  }

  /** By host, in the order of their first bytes. */
  toJSON(): Record<string, number> {
    return Object.fromEntries(this.#hosts);
  }
}
