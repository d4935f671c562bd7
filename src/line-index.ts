/** Where the lines of a journal lie and what they belong to, in some 30 bytes a line: their records stay on the disk. */
export class LineIndex {
  /** Lines so far; they go by their place, from 0. */
  size = 0;
  private ends = new Float64Array(1024);
  private parts = new Uint16Array(1024);
  /** Two hashes of the batch's key: the first chooses a chain, the second tells its members apart. */
  private first = new Uint32Array(1024);
  private second = new Uint32Array(1024);
  /** By chain: 1 + the last line of it; by line: 1 + the one before it. */
  private chains = new Int32Array(1024);
  private before = new Int32Array(1024);
  private readonly names = new Map<string, number>();
  private readonly sizes: number[] = [];

  /** `part`: the arm, suite and judge that it is of; `end`: the byte after its line break. */
  add(key: string, part: string, end: number): void {
    if (this.size === this.ends.length) this.grow();
    const at = this.size++;
    const [first, second] = hashes(key);
    this.ends[at] = end;
    this.first[at] = first;
    this.second[at] = second;
    this.parts[at] = this.partOf(part);
    this.sizes[this.parts[at]!]!++;
    this.chain(at);
  }

  /** The bytes of a line, its line break left out. */
  bytesOf(at: number): { readonly start: number; readonly end: number } {
    return { start: at === 0 ? 0 : this.ends[at - 1]!, end: this.ends[at]! - 1 };
  }

  /** The lines of a batch in the order added; with them, once in 2⁶⁴, one of another. */
  ofBatch(key: string): number[] {
    const [first, second] = hashes(key);
    const found: number[] = [];
    for (let at = this.chains[first % this.chains.length]! - 1; at >= 0; at = this.before[at]! - 1) {
      if (this.first[at] === first && this.second[at] === second) found.push(at);
    }
    return found.reverse();
  }

  countOf(part: string): number {
    return this.sizes[this.names.get(part) ?? -1] ?? 0;
  }

  *ofPart(part: string): Generator<number> {
    const wanted = this.names.get(part);
    for (let at = 0; at < this.size; at++) if (this.parts[at] === wanted) yield at;
  }

  private partOf(part: string): number {
    const known = this.names.get(part);
    if (known !== undefined) return known;
    this.names.set(part, this.names.size);
    return this.sizes.push(0) - 1;
  }

  private chain(at: number): void {
    const chain = this.first[at]! % this.chains.length;
    this.before[at] = this.chains[chain]!;
    this.chains[chain] = at + 1;
  }

  private grow(): void {
    this.ends = longer(this.ends);
    this.parts = longer(this.parts);
    this.first = longer(this.first);
    this.second = longer(this.second);
    this.before = longer(this.before);
    this.chains = new Int32Array(2 * this.chains.length);
    for (let at = 0; at < this.size; at++) this.chain(at);
  }
}

function longer<T extends Float64Array | Uint32Array | Uint16Array | Int32Array>(values: T): T {
  const copy = new (values.constructor as new (length: number) => T)(2 * values.length);
  copy.set(values);
  return copy;
}

/** FNV-1a from two starts. Source: Fowler, Noll & Vo, "The FNV non-cryptographic hash algorithm" (RFC 9923). */
function hashes(key: string): [number, number] {
  let [first, second] = [0x811c9dc5, 0x9747b28c];
  for (let at = 0; at < key.length; at++) {
    const code = key.charCodeAt(at);
    first = Math.imul(first ^ code, 0x01000193);
    second = Math.imul(second ^ (code + at), 0x01000193);
  }
  return [first >>> 0, second >>> 0];
}
