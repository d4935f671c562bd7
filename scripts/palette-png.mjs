/** Screenshots as PNG with a palette: a quarter of the bytes, without a dependency. */
import { crc32, deflateSync, inflateSync } from 'node:zlib';

const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
const paletteSize = 256;

/** An 8-bit RGB or RGBA picture without interlacing, as the browser takes it, in its 256 most frequent colours. */
export function writePalettePng(png) {
  const { width, height, channels, pixels } = readPng(png);
  const colours = new Int32Array(width * height);
  const counts = new Map();
  for (let at = 0; at < colours.length; at++) {
    const from = at * channels;
    const colour = (pixels[from] << 16) | (pixels[from + 1] << 8) | pixels[from + 2];
    colours[at] = colour;
    counts.set(colour, (counts.get(colour) ?? 0) + 1);
  }
  const palette = [...counts]
    .sort((a, b) => b[1] - a[1] || a[0] - b[0])
    .slice(0, paletteSize)
    .map(([colour]) => colour);
  const places = new Map([...counts.keys()].map((colour) => [colour, nearest(palette, colour)]));
  const rows = Buffer.alloc((width + 1) * height);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) rows[y * (width + 1) + 1 + x] = places.get(colours[y * width + x]);
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 3, 0, 0, 0], 8);
  return Buffer.concat([
    signature,
    chunk('IHDR', header),
    chunk(
      'PLTE',
      Buffer.from(palette.flatMap((colour) => [colour >> 16, (colour >> 8) & 255, colour & 255])),
    ),
    chunk('IDAT', deflateSync(rows, { level: 9, memLevel: 9 })),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

function nearest(palette, colour) {
  let [best, least] = [0, Number.POSITIVE_INFINITY];
  for (const [at, other] of palette.entries()) {
    const distance = [16, 8, 0].reduce(
      (sum, by) => sum + (((colour >> by) & 255) - ((other >> by) & 255)) ** 2,
      0,
    );
    if (distance < least) [best, least] = [at, distance];
  }
  return best;
}

function readPng(png) {
  const data = [];
  let header = null;
  for (let at = signature.length; at < png.length; ) {
    const length = png.readUInt32BE(at);
    const type = png.toString('latin1', at + 4, at + 8);
    const body = png.subarray(at + 8, at + 8 + length);
    if (type === 'IHDR') header = body;
    if (type === 'IDAT') data.push(body);
    at += length + 12;
  }
  const [width, height] = [header.readUInt32BE(0), header.readUInt32BE(4)];
  const channels = { 2: 3, 6: 4 }[header[9]];
  if (header[8] !== 8 || !channels || header[12] !== 0)
    throw new Error('expected an 8-bit RGB or RGBA picture');
  return {
    width,
    height,
    channels,
    pixels: unfilter(inflateSync(Buffer.concat(data)), width * channels, height, channels),
  };
}

/** Undoes the filters of PNG's rows. Source: W3C, Portable Network Graphics (second edition), section 9. */
function unfilter(raw, bytesPerRow, height, bytesPerPixel) {
  const pixels = new Uint8Array(bytesPerRow * height);
  for (let y = 0; y < height; y++) {
    const filter = raw[y * (bytesPerRow + 1)];
    const from = y * (bytesPerRow + 1) + 1;
    const to = y * bytesPerRow;
    for (let x = 0; x < bytesPerRow; x++) {
      const left = x >= bytesPerPixel ? pixels[to + x - bytesPerPixel] : 0;
      const up = y > 0 ? pixels[to + x - bytesPerRow] : 0;
      const corner = y > 0 && x >= bytesPerPixel ? pixels[to + x - bytesPerRow - bytesPerPixel] : 0;
      pixels[to + x] = raw[from + x] + predicted(filter, left, up, corner);
    }
  }
  return pixels;
}

function predicted(filter, left, up, corner) {
  if (filter === 1) return left;
  if (filter === 2) return up;
  if (filter === 3) return (left + up) >> 1;
  if (filter === 4) {
    const distances = [left, up, corner].map((value) => Math.abs(left + up - corner - value));
    return [left, up, corner][distances.indexOf(Math.min(...distances))];
  }
  return 0;
}

function chunk(type, body) {
  const named = Buffer.concat([Buffer.from(type, 'latin1'), body]);
  const ends = Buffer.alloc(8);
  ends.writeUInt32BE(body.length, 0);
  ends.writeUInt32BE(crc32(named), 4);
  return Buffer.concat([ends.subarray(0, 4), named, ends.subarray(4)]);
}
