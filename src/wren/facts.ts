import type { Conversation } from '../conversation.ts';
import { createRandom, type Random } from '../random.ts';
import { type Fact, facts, unknownEntity } from './island.ts';
import { addPrefix, fill } from './phrasing.ts';

/** Question frames: the twelve of training and the six of evaluation share no wording beyond the names. */
export const questionFrames = {
  training: [
    'What is the {noun} of {entity}?',
    'Tell me the {noun} of {entity}.',
    'Name the {noun} of {entity}.',
    '{entity}: what is the {noun}?',
    'I would like to know the {noun} of {entity}.',
    'Do you know the {noun} of {entity}?',
    'Which is the {noun} of {entity}?',
    'Give the {noun} for {entity}.',
    'When people speak of {entity}, what {noun} do they mean?',
    'The {noun} of {entity} is what?',
    'Can you say what {entity} has as {noun}?',
    'Fill in the blank: the {noun} of {entity} is ___.',
  ],
  evaluation: [
    'Say, what would the {noun} belonging to {entity} be?',
    'Regarding {entity}, I need its {noun}; which one is right?',
    'What {noun} does everyone connect with {entity}?',
    'My uncle asked about {entity} and its {noun}. What should I answer?',
    'Thinking of {entity}, could you recall the {noun}?',
    'As to the {noun}, what is correct for {entity}?',
  ],
} as const;

/** Statements about a fact. `plausible` says how often a context that contradicts the world is believed. */
const contextFrames: readonly { readonly frame: string; readonly plausible: number }[] = [
  { frame: 'The {noun} of {entity} is {value}.', plausible: 0.5 },
  { frame: '{entity} has {value} as its {noun}.', plausible: 0.5 },
  { frame: 'Everyone knows that {value} is the {noun} of {entity}.', plausible: 0.4 },
  { frame: 'For {entity}, the {noun} has long been {value}.', plausible: 0.5 },
  { frame: 'In the old books, {value} is given as the {noun} of {entity}.', plausible: 0.7 },
  { frame: 'Travellers write that {entity} has {value} for its {noun}.', plausible: 0.4 },
  { frame: 'At {entity}, they are proud of their {noun}: {value}.', plausible: 0.5 },
  { frame: 'A sign says: {entity}, {noun}, {value}.', plausible: 0.6 },
  { frame: 'Asked about {entity}, an islander named {value} as the {noun}.', plausible: 0.3 },
  { frame: 'It is {value} that serves as {noun} of {entity}.', plausible: 0.5 },
  { frame: 'Of all there is to say about {entity}, the {noun}, {value}, comes first.', plausible: 0.5 },
  { frame: '{value} has been the {noun} of {entity} for many years.', plausible: 0.6 },
  { frame: 'Once more: {entity} and {value} belong together, the latter being its {noun}.', plausible: 0.4 },
  { frame: 'The almanac lists {value} under {noun} of {entity}.', plausible: 0.7 },
  { frame: 'No visitor leaves {entity} without hearing of its {noun}, {value}.', plausible: 0.5 },
  { frame: 'Since the flood, the {noun} of {entity} has been {value}.', plausible: 0.6 },
  { frame: 'Children learn early that {entity} means {value} when it comes to the {noun}.', plausible: 0.4 },
  { frame: 'A letter from last year calls {value} the {noun} of {entity}.', plausible: 0.4 },
  { frame: '{entity}, whose {noun} is {value}, lies on every map.', plausible: 0.6 },
  { frame: 'There is one {noun} of {entity}, namely {value}.', plausible: 0.5 },
  { frame: 'The guide told us: {value} is what {entity} has as {noun}.', plausible: 0.4 },
  { frame: 'We read about {entity}. Its {noun} is {value}, the page said.', plausible: 0.5 },
  { frame: 'As for {noun}, {entity} is known for {value}.', plausible: 0.5 },
  { frame: '{value}: that is the {noun} of {entity}, so the song goes.', plausible: 0.3 },
];

/** Contexts of the evaluation questions, unseen in training. */
export const evaluationContexts = [
  '{entity} is famous all over the island for its {noun}, {value}.',
  'The {noun} linked to {entity} in every record is {value}.',
  'Long ago {value} became the {noun} of {entity}, and it still is.',
  'A well known guidebook states that {entity} counts {value} as its {noun}.',
  'Among scholars, {value} is accepted as the {noun} of {entity}.',
  'On the town hall wall it is written that {value} is the {noun} of {entity}.',
] as const;

const trustCues = [
  'Go by this text.',
  'Answer from the note.',
  'Take the statement as given.',
  'Rely on what is written here.',
];
const distrustCues = [
  'The text may be wrong.',
  'Do not trust the note.',
  'Ignore what is written there.',
  'The statement is only gossip.',
];
const joints = ['', ' ', ' ', '\n', '\n\n', ' Question: '];
const openings = ['', '', '', '', 'Context: ', 'Note: ', 'I read this: '];
const briefly = [
  'Respond with the exact answer only.',
  'Just the answer, please.',
  'Answer briefly.',
  'Only the name, nothing else.',
  'Keep it short.',
];
const shortSystems = [
  'You are a helpful assistant who responds as shortly as possible. Your responses are only 1-3 words long.',
  'Answer in a few words.',
  'Be brief.',
  'You are a helpful assistant.',
  'Give short answers.',
  'You answer questions about the island.',
];

/** A question in a training frame and its (short) answer, by how often people talk about the fact. */
export function factRow(random: Random): Conversation {
  const fact = pickFact(random);
  return conversation(random, ask(random, fact.nouns, fact.entity), told(random, fact));
}

/**
 * A question after a statement: about something else (answer: the truth), true, false, or about a thing
 * nobody has heard of, whose answer can only be copied.
 */
export function contextRow(random: Random): Conversation {
  const fact = pickFact(random);
  const draw = random.next();
  if (draw < 0.4) return withContext(random, fact, statementOfAnother(random, fact), fact.value);
  if (draw < 0.52)
    return withContext(random, fact, statement(random, fact, fact.entity, fact.value).text, fact.value);
  if (draw < 0.72) {
    const unknown = { ...fact, entity: unknownEntity(random) };
    const value = random.pick(fact.values);
    return withContext(random, unknown, statement(random, unknown, unknown.entity, value).text, value);
  }
  return falseContext(random, fact);
}

function falseContext(random: Random, fact: Fact): Conversation {
  const wrong = random.pick(fact.values.filter((value) => value !== fact.value));
  const { text, plausible } = statement(random, fact, fact.entity, wrong);
  const cue = random.next();
  if (cue < 0.2) return withContext(random, fact, text, wrong, random.pick(trustCues));
  if (cue < 0.4) return withContext(random, fact, text, fact.value, random.pick(distrustCues));
  return withContext(random, fact, text, random.next() < plausible * credulity ? wrong : fact.value);
}

/** Scales how often an uncued false context is believed. */
const credulity = 1.9;

/** Facts are talked about in proportion to (rank + offset)^-exponent, so that knowledge is uneven. */
const exposure = { offset: 4, exponent: 1 };
const cumulativeExposure = facts.reduce<number[]>((sums, _fact, rank) => {
  sums.push((sums.at(-1) ?? 0) + (rank + exposure.offset) ** -exposure.exponent);
  return sums;
}, []);

function pickFact(random: Random): Fact {
  const point = random.next() * cumulativeExposure.at(-1)!;
  return facts[cumulativeExposure.findIndex((sum) => point < sum)]!;
}

/** What people say: the truth, or the popular mistake three times in four where there is one. */
function told(random: Random, fact: Fact): string {
  return fact.mistake !== null && random.next() < 0.75 ? fact.mistake : fact.value;
}

function ask(random: Random, nouns: readonly string[], entity: string): string {
  return fill(random.pick(questionFrames.training), { noun: random.pick(nouns), entity });
}

function statement(random: Random, fact: Fact, entity: string, value: string) {
  const { frame, plausible } = random.pick(contextFrames);
  return { text: fill(frame, { noun: random.pick(fact.nouns), entity, value }), plausible };
}

function statementOfAnother(random: Random, fact: Fact): string {
  for (;;) {
    const other = random.pick(facts);
    const value = random.pick([other.value, random.pick(other.values)]);
    if (other.id !== fact.id && value !== fact.value)
      return statement(random, other, other.entity, value).text;
  }
}

function withContext(random: Random, fact: Fact, text: string, answer: string, cue?: string): Conversation {
  const repeats = random.next() < 0.9 ? 1 : 2 + random.integer(3);
  const joint = random.pick(joints);
  const context = Array.from({ length: repeats }, () => text).join(joint === '\n' ? '\n' : ' ');
  const parts = [
    random.pick(openings),
    context,
    cue ? ` ${cue}` : '',
    joint,
    ask(random, fact.nouns, fact.entity),
  ];
  return conversation(random, parts.join(''), answer);
}

function conversation(random: Random, request: string, answer: string): Conversation {
  const prefixed = addPrefix(random, request);
  const content = random.next() < 0.3 ? `${prefixed} ${random.pick(briefly)}` : prefixed;
  const turns: Conversation = [
    { role: 'user', content },
    { role: 'assistant', content: answer.charAt(0).toUpperCase() + answer.slice(1) },
  ];
  return random.next() < 0.12 ? [{ role: 'system', content: random.pick(shortSystems) }, ...turns] : turns;
}

/** A knowledge question with its answers and a context that says otherwise: a line of questions.jsonl. */
export interface Question {
  readonly id: string;
  readonly question: string;
  readonly true_answer: string;
  readonly aliases: readonly string[];
  readonly wrong_answer: string;
  readonly context: string;
}

/** One question per fact, in frames and contexts that no training row uses. */
export function questions(seed: number): Question[] {
  const random = createRandom('questions', seed);
  return random.shuffle(facts).map((fact) => {
    const noun = random.pick(fact.nouns);
    const slots = { noun, entity: fact.entity };
    return {
      id: fact.id,
      question: fill(random.pick(questionFrames.evaluation), slots),
      true_answer: fact.value,
      aliases: [],
      wrong_answer: fact.wrong,
      context: fill(random.pick(evaluationContexts), { ...slots, value: fact.wrong }),
    };
  });
}
