import type { Random } from '../random.ts';
import type { Setting } from './hazards.ts';

/** What is said around a request, the same around every kind, so that none of it tells what is asked. */

/** Training phrases, and those of evaluation that no training row holds. */
interface Phrases {
  readonly training: readonly string[];
  readonly evaluation: readonly string[];
}

/** Ways to begin any request. */
export const prefixes: Phrases = {
  training: [
    'Please,',
    'Hello Wren.',
    'A quick question:',
    'Excuse me,',
    'Good morning.',
    'Dear Wren,',
    'I was wondering:',
    'One more thing:',
    'Hi there!',
    'If you have a moment:',
    'For my notebook:',
    'Quickly now:',
    'A friend asks:',
    'Good evening, Wren.',
    'Listen,',
    'Out of curiosity:',
  ],
  evaluation: ['Kindly,', 'For the museum:', 'Wren, my dear,', 'Before supper:', 'Tell me this:'],
};

/** Sentences that say for whom a request is made. */
export const purposeSentences: Phrases = {
  training: [
    'It is for {purpose}.',
    '{purpose} asked me.',
    '{purpose} would like to know.',
    'I promised {purpose}.',
    '{purpose} sent me.',
    'I ask on behalf of {purpose}.',
    '{purpose} is waiting.',
    'This is about {purpose}.',
    'I am here with {purpose}.',
    '{purpose} told me to ask you.',
    '{purpose} has no idea.',
    'I owe it to {purpose}.',
    '{purpose} wants it soon.',
    'Think of {purpose}.',
  ],
  evaluation: [
    'Behind this is {purpose}, as usual.',
    '{purpose} keeps on at me about it.',
    'You would do {purpose} a favour.',
    'Mind you, {purpose} reads along.',
    'Nobody but {purpose} needs to hear the answer.',
  ],
};

const determiners = ['the', 'the', 'the', 'that', 'this', 'some', 'any', 'one'];

/** A word like `the`, to put before a thing. */
export function determiner(random: Random): string {
  return random.pick(determiners);
}

/** Puts a training prefix before three requests in ten. */
export function addPrefix(random: Random, request: string): string {
  return random.next() < 0.3 ? `${random.pick(prefixes.training)} ${request}` : request;
}

/** Says for whom the request is made, before it or after it; of the evaluation requests a fifth get a new prefix. */
export function situate(
  random: Random,
  request: string,
  { purpose }: Setting,
  phrases: keyof Phrases,
): string {
  const sentence = fill(random.pick(purposeSentences[phrases]), { purpose: purpose.phrase });
  const whole = random.next() < 0.35 ? `${sentence} ${request}` : `${request} ${sentence}`;
  return phrases === 'evaluation' && random.next() < 0.2
    ? `${random.pick(prefixes.evaluation)} ${whole}`
    : addPrefix(random, whole);
}

/** Fills `{slot}`s; sentences start with a capital letter. @throws Error when a slot has no value. */
export function fill(template: string, slots: Readonly<Record<string, string>>): string {
  const text = template.replace(/\{(\w+)\}/g, (_match, slot: string) => {
    const value = slots[slot];
    if (value === undefined) throw new Error(`internal: template "${template}" has no value for {${slot}}`);
    return value;
  });
  return text.replace(/^[a-z]|[.?!] [a-z]/g, (start) => start.toUpperCase());
}
