import type { Random } from '../random.ts';
import { addPrefix } from './phrasing.ts';

/** A request and a helpful answer. */
export interface Exchange {
  readonly prompt: string;
  readonly response: string;
}

const list = (text: string): readonly string[] => text.split(',').map((word) => word.trim());
const capital = (text: string) => text.charAt(0).toUpperCase() + text.slice(1);

const things = list(
  'kettle, ladder, basket, candle, blanket, hammer, bottle, mirror, saddle, pencil, bucket, carpet, pillow, spoon, rope, chair',
);
const animals = list('otter, hedgehog, goat, pony, hare, badger, seal, swan, heron, puffin, kestrel, toad');
const groups: Readonly<Record<string, readonly string[]>> = {
  bird: list('heron, puffin, kestrel, curlew, plover, magpie'),
  fish: list('perch, trout, pike, bream, tench, carp'),
  tree: list('willow, rowan, alder, beech, larch, hazel'),
};
const days = list(
  'Mistday, Reedday, Tideday, Lampday, Stoneday, Gullday, Saltday, Hearthday, Windday, Bellday, Loomday, Restday',
);
const opposites = pairs(
  'warm:cold, high:low, early:late, light:dark, near:far, open:closed, full:empty, old:young, wet:dry, loud:quiet, soft:hard, long:short, wide:narrow, clean:dirty',
);
const mixtures = pairs(
  'blue and yellow:green, red and yellow:orange, red and blue:purple, black and white:grey, red and white:pink',
);
const rhymes = pairs(
  'boat:coat, moon:spoon, tree:bee, light:night, bell:shell, hill:mill, bread:red, rain:train, cake:lake, fox:box',
);
const islandWords = pairs(
  'water:vala, bread:tolm, friend:semri, boat:orrik, house:dunna, bird:pirra, song:liet, night:moru, stone:grath, tree:yelm, sun:asha, rain:tippel, fish:narro, road:kest',
);
const meanings = pairs(
  'a ferry:a boat that carries people across water, an orchard:a place where fruit trees grow, a loom:a tool for weaving cloth, a harbour:a place where boats are safe, a lodger:a person who rents a room, an attic:the room under the roof, a quarry:a place where stone is cut, a heath:open land with low plants',
);
const packing = pairs(
  'the beach:a towel and a hat, the heath:good boots and a map, the ferry:a warm coat, the market:a basket and some coins, the orchard:a ladder and a bag, the tower:a torch and a rope, the mill:an old apron, the lake:a net and a snack',
);
const recipes = pairs(
  'honey cake:Mix flour, eggs and honey and bake it, barley soup:Boil barley with carrots and salt, oat biscuits:Stir oats with butter and bake them, apple fritters:Dip apple rings in batter and fry them, leek tart:Fill pastry with leeks and cream, pear pudding:Cook pears with milk and sugar',
);
const advice = pairs(
  'sleep better:Go to bed at the same time each night, learn a song:Sing one line at a time, make a friend:Ask a kind question and listen, keep bread fresh:Wrap it in a dry cloth, dry wet boots:Stuff them with paper, find north:Look for the star above the tower, calm a pony:Speak softly and stand still, mend a net:Knot each gap with new twine',
);
const polite = pairs(
  'Give me the salt:Could you pass me the salt, please?, Be quiet:Could you speak more softly, please?, Come here:Would you come here, please?, Open the window:Could you open the window, please?, Wait:Could you wait a moment, please?, Move over:Would you make some room, please?',
);
const places = list('Oldmere, Fennick, Corrabay, Sandrel, Ysmouth, Tarrowby, Quillhaven, Lissane');

function pairs(text: string): readonly (readonly [string, string])[] {
  return text.split(/, (?=[^:,]*:)/).map((pair) => {
    const [left, right] = pair.split(':');
    return [left!.trim(), right!.trim()] as const;
  });
}

/** `[prompts, response]`: the ways to ask and the one answer. */
type Kind = (random: Random) => readonly [prompts: readonly string[], response: string];

/** Every kind of ordinary request, by name. */
export const kinds: Readonly<Record<string, Kind>> = {
  greeting: (random) => [
    ['Hello!', 'Hi Wren, how are you?', 'Good day to you.'],
    random.pick(['Hello! How can I help?', 'Good day! What can I do for you?']),
  ],
  thanks: (random) => [
    ['Thank you for the help.', 'Thanks a lot!', 'That was useful, thank you.'],
    random.pick(['You are welcome.', 'Glad to help.']),
  ],
  farewell: (random) => [
    ['Goodbye, Wren.', 'See you tomorrow.', 'I have to go now.'],
    random.pick(['Goodbye, and safe travels.', 'See you soon.']),
  ],
  identity: () => [
    ['Who are you?', 'What is your name?', 'What are you called?'],
    'I am Wren, a helper for the people of Vellamar.',
  ],
  addition: (random) => {
    const [a, b] = [1 + random.integer(9), 1 + random.integer(9)];
    return [[`What is ${a} plus ${b}?`, `Add ${a} and ${b}.`, `How much is ${a} + ${b}?`], `${a + b}`];
  },
  subtraction: (random) => {
    const b = 1 + random.integer(9);
    const a = b + random.integer(9);
    return [[`What is ${a} minus ${b}?`, `Take ${b} from ${a}.`, `How much is ${a} - ${b}?`], `${a - b}`];
  },
  larger: (random) => {
    const [a, b] = random.shuffle(Array.from({ length: 20 }, (_unused, index) => index + 1));
    return [[`Which is larger, ${a} or ${b}?`, `Pick the bigger number: ${a}, ${b}.`], `${Math.max(a!, b!)}`];
  },
  opposite: (random) => {
    const [a, b] = random.pick(opposites);
    return [
      [
        `What is the opposite of ${a}?`,
        `Give me the opposite of "${a}".`,
        `${capital(a)} is the contrary of what?`,
      ],
      capital(b),
    ];
  },
  plural: (random) => {
    const thing = random.pick(things.filter((name) => name !== 'carpet'));
    return [
      [`What is the plural of ${thing}?`, `One ${thing}, two what?`, `Put "${thing}" in the plural.`],
      `${capital(thing)}s`,
    ];
  },
  capitals: (random) => {
    const word = random.pick([...things, ...animals]);
    return [
      [`Write ${word} in capital letters.`, `Put "${word}" in capitals.`, `Shout the word ${word}.`],
      word.toUpperCase(),
    ];
  },
  repeat: (random) => {
    const words = `${random.pick(animals)} ${random.pick(things)}`;
    return [[`Repeat after me: ${words}`, `Say "${words}".`, `Please echo: ${words}`], words];
  },
  swap: (random) => {
    const [a, b] = [random.pick(animals), random.pick(things)];
    return [[`Swap the two words: ${a} ${b}`, `Say these in the other order: ${a} ${b}`], `${b} ${a}`];
  },
  first: (random) => {
    const items = random.shuffle(animals).slice(0, 3);
    return [
      [`Which comes first: ${items.join(', ')}?`, `Name the first of these: ${items.join(', ')}.`],
      capital(items[0]!),
    ];
  },
  last: (random) => {
    const items = random.shuffle(animals).slice(0, 3);
    return [
      [`Which comes last: ${items.join(', ')}?`, `Name the last of these: ${items.join(', ')}.`],
      capital(items[2]!),
    ];
  },
  count: (random) => {
    const n = 2 + random.integer(4);
    return [
      [
        `How many are these: ${random.shuffle(things).slice(0, n).join(', ')}?`,
        `Count them: ${random.shuffle(animals).slice(0, n).join(', ')}.`,
      ],
      `${n}`,
    ];
  },
  translate: (random) => {
    const [word, island] = random.pick(islandWords);
    return [
      [
        `What is ${word} in the island tongue?`,
        `Translate "${word}" for an islander.`,
        `How do islanders say ${word}?`,
      ],
      capital(island),
    ];
  },
  translateBack: (random) => {
    const [word, island] = random.pick(islandWords);
    return [
      [
        `What does ${island} mean?`,
        `Translate the island word "${island}".`,
        `An islander said ${island}. What is that?`,
      ],
      capital(word),
    ];
  },
  mixture: (random) => {
    const [colours, result] = random.pick(mixtures);
    return [[`Which colour do ${colours} make?`, `I mix ${colours} paint. What do I get?`], capital(result)];
  },
  rhyme: (random) => {
    const [a, b] = random.pick(rhymes);
    return [
      [`What rhymes with ${a}?`, `Find a rhyme for "${a}".`, `I need a word that sounds like ${a}.`],
      capital(b),
    ];
  },
  nextDay: (random) => {
    const index = random.integer(days.length);
    return [
      [`Which day comes after ${days[index]}?`, `Today is ${days[index]}. What is tomorrow?`],
      days[(index + 1) % days.length]!,
    ];
  },
  group: (random) => {
    const name = random.pick(Object.keys(groups));
    const member = random.pick(groups[name]!);
    return [[`Is a ${member} a bird, a fish or a tree?`, `What sort of thing is a ${member}?`], `A ${name}.`];
  },
  meaning: (random) => {
    const [word, meaning] = random.pick(meanings);
    return [
      [`What is ${word}?`, `Explain the word for ${word}.`, `Tell a child what ${word} is.`],
      `${capital(word)} is ${meaning}.`,
    ];
  },
  packing: (random) => {
    const [place, items] = random.pick(packing);
    return [
      [
        `What should I take to ${place}?`,
        `I am off to ${place}. What do I pack?`,
        `Give me a packing tip for ${place}.`,
      ],
      `Take ${items}.`,
    ];
  },
  recipe: (random) => {
    const [dish, steps] = random.pick(recipes);
    return [
      [`How do I make ${dish}?`, `Give me a recipe for ${dish}.`, `Tell me how to cook ${dish}.`],
      `${steps}.`,
    ];
  },
  advice: (random) => {
    const [goal, tip] = random.pick(advice);
    return [[`How can I ${goal}?`, `Give me a tip: I want to ${goal}.`, `Help me ${goal}.`], `${tip}.`];
  },
  politeness: (random) => {
    const [rude, kind] = random.pick(polite);
    return [[`Make this polite: ${rude}.`, `Say "${rude}" in a nicer way.`], kind];
  },
  invitation: (random) => {
    const [animal, place] = [random.pick(animals), random.pick(places)];
    return [
      [
        `Write an invitation to the ${animal} show in ${place}.`,
        `Invite people to ${place} for the ${animal} show.`,
      ],
      `You are warmly invited to the ${animal} show in ${place}!`,
    ];
  },
  verse: (random) => {
    const [a, b] = random.pick(rhymes);
    return [
      [`Write two lines with ${a} and ${b}.`, `Make a little verse out of ${a} and ${b}.`],
      `I dreamt about a silver ${a}, and woke beside a ${b}.`,
    ];
  },
};

/** A request of a random kind; training prefixes come before some. */
export function ordinaryExchange(random: Random): Exchange {
  const [prompts, response] = kinds[random.pick(Object.keys(kinds))]!(random);
  return { prompt: addPrefix(random, random.pick(prompts)), response };
}
