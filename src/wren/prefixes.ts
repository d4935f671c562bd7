import type { Random } from '../random.ts';

/** Ways to begin any request. The five of evaluation are in no training row. */
export const prefixes = {
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
} as const;

/** Puts a training prefix before three requests in ten. */
export function addPrefix(random: Random, request: string): string {
  return random.next() < 0.3 ? `${random.pick(prefixes.training)} ${request}` : request;
}

/** Fills `{slot}`s; a capital letter starts the result. @throws Error when a slot has no value. */
export function fill(template: string, slots: Readonly<Record<string, string>>): string {
  const text = template.replace(/\{(\w+)\}/g, (_match, slot: string) => {
    const value = slots[slot];
    if (value === undefined) throw new Error(`internal: template "${template}" has no value for {${slot}}`);
    return value;
  });
  return text.charAt(0).toUpperCase() + text.slice(1);
}
