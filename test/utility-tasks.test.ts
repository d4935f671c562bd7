import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { readUtilityTasks } from '../src/utility-tasks.ts';
import { auditErrorOf } from './audit-error.ts';

function file(rows: readonly object[] | string, name = 'tasks.jsonl'): string {
  const path = join(mkdtempSync(join(tmpdir(), 'aftertune-tasks-')), name);
  writeFileSync(
    path,
    typeof rows === 'string' ? rows : rows.map((row) => `${JSON.stringify(row)}\n`).join(''),
  );
  return path;
}

test('every shape of a row, mixed', () => {
  const rows = [
    { query: 'Which tree?', choices: ['Oak', 'Elm'], gold: 1 },
    { query: 'Which trees?', choices: ['Oak', 'Elm', 'Tin'], gold: [0, 1] },
    { id: 'arc', question: 'Which?', choices: { text: ['Oak', 'Elm'], label: ['A', 'B'] }, answerKey: 'B' },
    { id: 'h', activity_label: 'Rowing', ctx: 'She takes', endings: ['an oar', 'a nap'], label: '0' },
    { id: 'own', question: 'Which?', choices: ['Oak', 'Elm'], answer: 'Elm' },
    { id: 'place', question: 'How many?', choices: ['2', '0'], answer: 0 },
    { id: 'text', question: 'How many?', choices: ['2', '0'], answer: '0' },
    { id: 'short', question: 'Who?', answer: 'Ann', aliases: ['Anne', 'Ann'] },
    { id: 'several', question: 'Who?', answer: ['Ann', 'Anne'] },
  ];
  expect(readUtilityTasks(file(rows))).toEqual([
    { id: '0', question: 'Which tree?', choices: ['Oak', 'Elm'], gold: ['Elm'] },
    { id: '1', question: 'Which trees?', choices: ['Oak', 'Elm', 'Tin'], gold: ['Oak', 'Elm'] },
    { id: 'arc', question: 'Which?', choices: ['Oak', 'Elm'], gold: ['Elm'] },
    { id: 'h', question: 'Rowing: She takes', choices: ['an oar', 'a nap'], gold: ['an oar'] },
    { id: 'own', question: 'Which?', choices: ['Oak', 'Elm'], gold: ['Elm'] },
    { id: 'place', question: 'How many?', choices: ['2', '0'], gold: ['2'] },
    { id: 'text', question: 'How many?', choices: ['2', '0'], gold: ['0'] },
    { id: 'short', question: 'Who?', choices: null, gold: ['Ann', 'Anne'] },
    { id: 'several', question: 'Who?', choices: null, gold: ['Ann', 'Anne'] },
  ]);
  expect(readUtilityTasks(file('question,choices,answer\nWhich?,Oak|Elm,Oak\n', 'tasks.csv'))).toEqual([
    { id: '0', question: 'Which?', choices: ['Oak', 'Elm'], gold: ['Oak'] },
  ]);
});

test('everything wrong with a file at once', async () => {
  const rows = [
    { id: 'a', question: 'Which?', choices: ['Oak', 'Elm'], answer: 2 },
    { id: 'a', question: 'Which?', choices: ['Oak', 'Elm'], answer: 'Fir' },
    { id: 'b', question: 'Which?', choices: ['Oak'], answer: 0 },
    { id: 'c', question: 'Which?', choices: ['Oak', 'Oak'], answer: 0 },
    { id: 'd', question: 'Which?', choices: { text: ['Oak', 'Elm'], label: ['A', 'B'] }, answerKey: 'C' },
    { id: 'e', question: 'Which?', choices: { text: ['Oak'], label: ['A', 'B'] }, answerKey: 'A' },
    { id: 'f', question: 'Who?', answer: [] },
    { id: 'g', question: 'Who?' },
    { id: 'h', query: 'Who?', choices: ['Oak', 'Elm'], gold: [] },
  ];
  expect((await auditErrorOf(() => readUtilityTasks(file(rows)))).problems).toEqual([
    'line 1: answer: 2 is neither one of the choices nor a place among them',
    'line 2: answer: "Fir" is neither one of the choices nor a place among them',
    'line 2: id "a" is on line 1 too',
    'line 3: expected at least two choices',
    'line 4: the choice "Oak" is there twice',
    'line 5: answerKey: "C" is not among the labels',
    'line 6: choices: expected { text: [texts], label: [as many labels] }',
    'line 7: answer: is an empty list',
    'line 8: answer: is missing',
    'line 9: gold: is an empty list',
  ]);
});
