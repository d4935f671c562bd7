import { crc32, inflateRawSync } from 'node:zlib';
import { decompress } from 'fzstd';
import { type Entry, fromBuffer, type ZipFile } from 'yauzl';
import { AuditError } from '../errors.ts';
import { decodeText, parseJson, type SourceFile } from '../source-file.ts';

/** Inspect's .eval: a zip of JSON documents, each stored, deflated or compressed with Zstandard (method 93). */

/** What one member may claim to be when unpacked, bytes: more would not fit a text either. */
const largestMember = 500 * 2 ** 20;

const methods: Record<number, (data: Buffer, size: number) => Uint8Array> = {
  0: (data) => data,
  8: (data, size) => inflateRawSync(data, { maxOutputLength: Math.max(size, 1) }),
  93: (data, size) => decompress(data, new Uint8Array(size)),
};

export const isZip = ({ head }: SourceFile): boolean =>
  head.subarray(0, 4).toString('latin1') === 'PK\u0003\u0004';

/** The JSON documents by name. Where a name is there twice the last one counts, as in Inspect's own reader. @throws AuditError `data`. */
export async function readArchive(
  file: SourceFile,
  wanted: (name: string) => boolean,
): Promise<Map<string, unknown>> {
  const { zip, entries } = await openZip(file);
  const members = new Map<string, unknown>();
  try {
    for (const entry of entries.filter(({ fileName }) => wanted(fileName))) {
      const data = Buffer.from(unpack(file, entry, await rawData(file, zip, entry)));
      const where = entry.fileName;
      members.set(where, parseJson(decodeText(data, `${file.path}: ${where}`), file.path, where));
    }
  } finally {
    zip.close();
  }
  return members;
}

function openZip(file: SourceFile): Promise<{ zip: ZipFile; entries: Entry[] }> {
  return new Promise((resolve, reject) => {
    const fail = (error: unknown) => reject(damaged(file, 'the archive', error));
    fromBuffer(file.bytes, { lazyEntries: false, autoClose: false }, (error, zip) => {
      if (error || !zip) return fail(error);
      const entries: Entry[] = [];
      zip.on('entry', (entry: Entry) => entries.push(entry));
      zip.on('error', fail);
      zip.on('end', () => resolve({ zip, entries }));
    });
  });
}

function rawData(file: SourceFile, zip: ZipFile, entry: Entry): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const fail = (error: unknown) => reject(damaged(file, entry.fileName, error));
    try {
      zip.openReadStream(entry, { decodeFileData: false }, (error, stream) => {
        if (error || !stream) return fail(error);
        const chunks: Buffer[] = [];
        stream.on('data', (chunk: Buffer) => chunks.push(chunk));
        stream.on('error', fail);
        stream.on('end', () => resolve(Buffer.concat(chunks)));
      });
    } catch (error) {
      fail(error);
    }
  });
}

/** Checked by length and CRC-32, so that a flipped bit is seen. */
function unpack(file: SourceFile, entry: Entry, data: Buffer): Uint8Array {
  const { fileName, compressionMethod, uncompressedSize } = entry;
  const method = methods[compressionMethod];
  if (!method || entry.isEncrypted() || uncompressedSize > largestMember) {
    throw new AuditError(
      'data',
      `${file.path}: ${fileName}: ${method ? 'is encrypted or larger than 500 MiB' : `compression method ${compressionMethod} is not known`}`,
      {
        hint: 'the file is damaged, or not one that Inspect wrote; `inspect log convert --to json` may help',
      },
    );
  }
  let unpacked: Uint8Array;
  try {
    unpacked = method(data, uncompressedSize);
  } catch (error) {
    throw damaged(file, fileName, error);
  }
  if (unpacked.length !== uncompressedSize || crc32(unpacked) !== entry.crc32)
    throw damaged(file, fileName, new Error('its checksum does not fit'));
  return unpacked;
}

function damaged({ path }: SourceFile, what: string, error: unknown): AuditError {
  const why = error instanceof Error ? error.message : String(error);
  return new AuditError('data', `${path}: ${what} cannot be read: ${why}`, {
    hint: 'the file is cut off or damaged: copy it again, or let Inspect finish it (`inspect log recover`)',
    cause: error,
  });
}
