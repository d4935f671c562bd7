import { expect, it } from 'vitest';
import { commandFor, splitCommand } from '../../../src/trainers/trl/launcher.ts';

it.each([
  ['python', ['python']],
  ['  accelerate   launch --num_processes 4 ', ['accelerate', 'launch', '--num_processes', '4']],
  ['\'/opt/my env/python\' -X "a b"', ['/opt/my env/python', '-X', 'a b']],
  ['a\\ b "c\\"d" \'e\\f\' ""', ['a b', 'c"d', 'e\\f', '']],
  ['sh -c "$HOME; rm *" | tee', ['sh', '-c', '$HOME; rm *', '|', 'tee']],
])('splits %s without a shell', (line, words) => expect(splitCommand(line)).toEqual(words));

it.each(['', '   ', '"python', "python 'x"])('refuses %j', (line) =>
  expect(() => splitCommand(line)).toThrow(/training\.launcher/),
);

it('puts script and config where the line says, or behind it', () => {
  expect(commandFor('torchrun --nproc 2', '/job')).toEqual([
    ...['torchrun', '--nproc', '2', '/job/train_trl.py', '/job/config.json'],
  ]);
  expect(commandFor('sky launch --workdir {folder} -- python train_trl.py config.json', '/job')).toEqual([
    ...['sky', 'launch', '--workdir', '/job', '--', 'python', 'train_trl.py', 'config.json'],
  ]);
  expect(commandFor('python {script} {config} --base=/m', '/a b')).toEqual([
    ...['python', '/a b/train_trl.py', '/a b/config.json', '--base=/m'],
  ]);
});
