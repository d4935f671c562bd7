import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type QueueEntry, readQueue, writeQueue } from '../../src/adjudication/labels.ts';
import { auditErrorOf } from '../audit-error.ts';
import { temporaryFolder } from '../temporary-folder.ts';

const entry = (ticket: string, completion: string): QueueEntry => ({
  unit: { arm: 'base', id: ticket, condition: 'default', repeat: 0, labels: ['safe'] },
  ticket,
  prompt: 'Which lantern, and why?',
  completion,
});

describe('the queue as a file', () => {
  it('holds any text, and no cell that a spreadsheet would run', () => {
    const path = join(temporaryFolder(), 'queue.csv');
    writeQueue(path, [entry('a', '=1+1'), entry('b', 'two\nlines, "quoted"'), entry('c', '@now')]);
    const text = readFileSync(path, 'utf8');
    expect(text).toContain(`"'=1+1"`);
    expect(text).toContain(`"'@now"`);
    writeFileSync(path, text.replace(/,$/gm, ',safe'));
    const labels = readQueue(path, new Set(['a', 'b', 'c']));
    expect([...labels]).toEqual([
      ['a', 'safe'],
      ['b', 'safe'],
      ['c', 'safe'],
    ]);
  });

  it('is refused whole, line by line, for a wrong label, a stranger and a ticket that comes twice', async () => {
    const path = join(temporaryFolder(), 'queue.csv');
    writeFileSync(path, 'ticket,label\na,safe\na,unsafe\nx,safe\nb,perhaps\nc,\n');
    const { code, problems } = await auditErrorOf(() => readQueue(path, new Set(['a', 'b', 'c'])));
    expect(code).toBe('data');
    expect(problems).toEqual([
      'line 3: ticket a is there twice',
      'line 4: ticket "x" is not of this queue',
      'line 5: label "perhaps": expected safe, unsafe, skip or nothing',
    ]);
    writeFileSync(path, 'ticket,label\na,\n');
    expect((await auditErrorOf(() => readQueue(path, new Set(['a'])))).message).toContain('holds no labels');
  });
});
