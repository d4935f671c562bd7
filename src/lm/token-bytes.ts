/** Byte-level BPE writes bytes as characters: what Latin-1 prints as itself, the others from U+0100 on. */
const printed = (byte: number) =>
  (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
const byteOf = new Map<string, number>();
for (let byte = 0, others = 0; byte < 256; byte++)
  byteOf.set(String.fromCharCode(printed(byte) ? byte : 0x100 + others++), byte);

/**
 * The UTF-8 bytes of a token, also of one that is a piece of a character; null where its name does not tell them.
 * @param name the token as the vocabulary writes it.
 * @param text the token as it reads.
 * Source: Radford et al. 2019 (GPT-2's byte-level BPE); Kudo & Richardson 2018 (SentencePiece's byte fallback).
 */
export function tokenBytes(name: string | undefined, text: string): number[] | null {
  if (!text.includes('\uFFFD')) return [...Buffer.from(text)];
  const single = /^<0x([0-9A-F]{2})>$/.exec(name ?? '');
  if (single) return [Number.parseInt(single[1]!, 16)];
  const bytes = [...(name ?? '')].map((character) => byteOf.get(character));
  return bytes.length && bytes.every((byte) => byte !== undefined) ? bytes : null;
}
