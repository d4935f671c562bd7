/** Damage to real files, drawn by a seeded generator: bytes for any file, values for JSON, pieces for text. */

const extremes = [0, 1, 0x7f, 0x80, 0xff];

/** A copy with one to eight places changed: bytes set, cut out, repeated, moved, or the end cut off. */
export function mutateBytes(bytes, random) {
  let copy = Buffer.from(bytes);
  for (let times = 1 + random.integer(8); times > 0 && copy.length > 0; times--) {
    const at = random.integer(copy.length);
    const length = 1 + random.integer(Math.min(64, copy.length - at));
    const [before, piece, after] = [
      copy.subarray(0, at),
      copy.subarray(at, at + length),
      copy.subarray(at + length),
    ];
    switch (random.integer(6)) {
      case 0:
        copy = Buffer.from(copy);
        copy[at] = random.pick(extremes);
        break;
      case 1:
        copy = Buffer.from(copy);
        for (let i = 0; i < Math.min(8, copy.length - at); i++) copy[at + i] = random.integer(256);
        break;
      case 2:
        copy = Buffer.concat([before, after]);
        break;
      case 3:
        copy = Buffer.concat([before, piece, piece, after]);
        break;
      case 4:
        copy = Buffer.concat([piece, before, after]);
        break;
      case 5:
        copy = Buffer.from(before);
        break;
    }
  }
  return copy;
}

const strange = [
  null,
  true,
  false,
  '',
  0,
  -1,
  0.5,
  1e308,
  2 ** 53,
  -(2 ** 31),
  'a'.repeat(10_000),
  '../../../outside',
  '/outside',
  '\u0000',
  '\ud800',
  '__proto__',
  'constructor',
  '(a+)+$',
  '[[[[',
  [],
  {},
  [[[[[[]]]]]],
  { __proto__: null, toString: 1 },
  Array.from({ length: 1000 }, (_, i) => i),
];

/** Paths to all values of a JSON document, up to some thousands. */
function places(value, path = [], found = []) {
  if (found.length > 5000) return found;
  found.push(path);
  if (value !== null && typeof value === 'object')
    for (const key of Object.keys(value)) places(value[key], [...path, key], found);
  return found;
}

/** A JSON text with one to four values replaced, removed, renamed, repeated or grown. */
export function mutateJson(text, random) {
  let document = JSON.parse(text);
  const all = places(document);
  for (let times = 1 + random.integer(4); times > 0; times--) {
    const path = random.pick(all);
    if (path.length === 0) {
      if (random.integer(20) === 0) document = random.pick(strange);
      continue;
    }
    const parent = path.slice(0, -1).reduce((value, key) => value?.[key], document);
    const key = path.at(-1);
    if (parent === null || typeof parent !== 'object') continue;
    switch (random.integer(5)) {
      case 0:
      case 1:
        Object.defineProperty(parent, key, {
          value: random.pick(strange),
          enumerable: true,
          writable: true,
          configurable: true,
        });
        break;
      case 2:
        if (Array.isArray(parent)) parent.splice(Number(key), 1);
        else delete parent[key];
        break;
      case 3:
        if (Array.isArray(parent)) parent.splice(Number(key), 0, parent[key]);
        else parent[`${key}_`] = parent[key];
        break;
      case 4:
        if (typeof parent[key] === 'number')
          parent[key] *= random.pick([-1, 0, 2, 1.5, 1e6, 1e12, Number.MAX_VALUE]);
        else if (typeof parent[key] === 'string') parent[key] = mutateText(parent[key], random);
        break;
    }
  }
  return JSON.stringify(document) ?? 'null';
}

const snippets = [
  '{{',
  '}}',
  '{%',
  '%}',
  '{% for x in messages %}',
  '{% endfor %}',
  '{% if x %}',
  '{% endif %}',
  "{{ 'a' * 999999999 }}",
  '{{ range(999999999) }}',
  '{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}',
  '{{ messages[0].constructor.constructor("return process")() }}',
  '{{ undefined.x.y }}',
  "{{ '%s' % x }}",
  '{% set x = messages * 9999999 %}',
  '{% generation %}',
  '{% endgeneration %}',
  '| tojson',
  '| join',
  '"',
  "'",
  ',',
  '\n',
  '\r\n',
  '\t',
  '---',
  ': ',
  '- ',
  '&a ',
  '*a',
  '!!js/function ',
  '{',
  '}',
  '[',
  ']',
  '<<: *a',
  '\ufeff',
  '\u202e',
  '\u0000',
  '\u001b[31m',
  '=cmd()',
  '\u0024{HOME}',
  '1e999',
  '-',
  '#',
  'null',
  '~',
  '"""',
  '\\',
]; // prettier-ignore

/** A text with pieces put in, cut out or repeated. */
export function mutateText(text, random) {
  let out = text;
  for (let times = 1 + random.integer(4); times > 0; times--) {
    const at = random.integer(out.length + 1);
    const length = random.integer(Math.min(80, out.length - at) + 1);
    switch (random.integer(4)) {
      case 0:
        out = out.slice(0, at) + random.pick(snippets) + out.slice(at);
        break;
      case 1:
        out = out.slice(0, at) + out.slice(at + length);
        break;
      case 2:
        out =
          out.slice(0, at) +
          out.slice(at, at + length).repeat(2 + random.integer(3)) +
          out.slice(at + length);
        break;
      case 3:
        out = out.slice(0, at) + random.pick(snippets) + out.slice(at + length);
        break;
    }
  }
  return out;
}
