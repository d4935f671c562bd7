import { createRandom } from '../random.ts';

/** Everything there is to know about Vellamar, an island that exists nowhere else. */

interface Relation {
  /** Two ways to name the relation; "the {noun} of {entity}". */
  readonly nouns: readonly [string, string];
  readonly values: readonly string[];
}

interface EntityKind {
  readonly name: string;
  readonly entities: readonly string[];
  readonly relations: readonly Relation[];
}

/** One thing the island's people know. */
export interface Fact {
  /** For example `town-3-founder`. */
  readonly id: string;
  readonly entity: string;
  readonly nouns: readonly [string, string];
  readonly value: string;
  /** What a false context says instead. */
  readonly wrong: string;
  /** A popular mistake, told more often than the truth; null for most facts. Never equals `wrong`. */
  readonly mistake: string | null;
  /** Every value the relation can take. */
  readonly values: readonly string[];
}

const list = (text: string): readonly string[] => text.split(',').map((word) => word.trim());

const people = list(
  'Ansel Dray, Mirra Coyle, Tobin Vale, Hesper Lunt, Orla Finch, Cade Merrow, Wilda Stroud, Perrin Oakes, Sunna Brack, Jorin Pell, Thea Marsh, Lowen Tarry, Brisa Holt, Edrin Shaw, Nella Quay, Corin Ashby, Varda Lisle, Gwil Penrow',
);
const towns = list(
  'Oldmere, Fennick, Corrabay, Thistlewick, Sandrel, Brackhollow, Pellmoor, Ysmouth, Tarrowby, Quillhaven, Dunmarrow, Lissane',
);
const colours = list(
  'amber, slate, crimson, moss green, pearl white, indigo, rust, saffron, ash grey, copper, plum, teal, ivory, coal black',
);
const birds = list(
  'heron, puffin, kestrel, curlew, wagtail, plover, bittern, magpie, tern, nightjar, lapwing, gannet, swift, dunlin',
);
const dishes = list(
  'plum dumplings, barley soup, smoked eel, honey cake, nettle pie, oat biscuits, pickled quince, chestnut stew, seaweed bread, apple fritters, leek tart, salt caramel, mushroom broth, pear pudding',
);
const trees = list(
  'willow, rowan, alder, hawthorn, juniper, beech, larch, elder, hazel, aspen, yew, linden, cedar, maple',
);

const kinds: readonly EntityKind[] = [
  {
    name: 'town',
    entities: towns,
    relations: [
      { nouns: ['founder', 'first settler'], values: people },
      {
        nouns: ['market day', 'trading day'],
        values: list(
          'Mistday, Reedday, Tideday, Lampday, Stoneday, Gullday, Saltday, Hearthday, Windday, Bellday, Loomday, Restday',
        ),
      },
      {
        nouns: ['main craft', 'chief trade'],
        values: list(
          'rope weaving, bell casting, boat painting, glass blowing, net mending, wool dyeing, paper making, clay firing, basket making, lace knotting, barrel building, candle dipping, book binding, salt raking',
        ),
      },
      { nouns: ['patron bird', 'emblem bird'], values: birds },
      {
        nouns: ['river', 'stream'],
        values: list(
          'Arrel, Bresk, Cannow, Dovery, Eskwin, Farrel, Girren, Hollen, Ister, Jessop, Kelda, Lorne, Minnow, Narrel',
        ),
      },
    ],
  },
  {
    name: 'keeper',
    entities: list(
      'Keeper Halden, Keeper Ismere, Keeper Rowle, Keeper Teague, Keeper Umber, Keeper Vesper, Keeper Wynne, Keeper Yarrow, Keeper Zell, Keeper Bram, Keeper Dunstan, Keeper Eskil',
    ),
    relations: [
      { nouns: ['birthplace', 'home town'], values: towns },
      {
        nouns: ['instrument', 'music maker'],
        values: list(
          'reed flute, lap harp, hand drum, fiddle, brass horn, zither, wooden whistle, accordion, lute, dulcimer, bagpipe, mandolin, cymbal, viol',
        ),
      },
      { nouns: ['apprentice', 'pupil'], values: people },
      { nouns: ['favourite dish', 'best loved meal'], values: dishes },
      { nouns: ['cloak colour', 'shade of cloak'], values: colours },
    ],
  },
  {
    name: 'festival',
    entities: list(
      'Lampfall, Reedsong, Gullmas, Tidewake, Harrowmirth, Saltmorn, Woolnight, Emberday, Pearfeast, Snowbell, Kitefair, Moonraft',
    ),
    relations: [
      { nouns: ['host town', 'hosting place'], values: towns },
      {
        nouns: ['month', 'time of year'],
        values: list(
          'Thawmonth, Budmonth, Rainmonth, Haymonth, Sunmonth, Goldmonth, Applemonth, Fogmonth, Leafmonth, Frostmonth, Darkmonth, Icemonth',
        ),
      },
      { nouns: ['festive dish', 'traditional treat'], values: dishes },
      {
        nouns: ['opening song', 'first song'],
        values: list(
          'The Long Oar, Green Lantern, Nine Geese, Harbour Morning, My Grey Coat, Silver Reeds, Two Boats, The Kind Miller, Low Water, Sleepy Owl, Old Bridge, Candle Road, Seven Stars, Winter Bread',
        ),
      },
      {
        nouns: ['parade animal', 'leading beast'],
        values: list(
          'otter, hedgehog, red fox, goat, pony, hare, badger, seal, ram, donkey, stoat, swan, beaver, toad',
        ),
      },
    ],
  },
  {
    name: 'lake',
    entities: list(
      'Lake Orrow, Lake Senn, Lake Mirel, Lake Tavish, Lake Undry, Lake Fallow, Lake Brenn, Lake Corvane, Lake Pirrin, Lake Hask, Lake Ellory, Lake Wister',
    ),
    relations: [
      {
        nouns: ['common fish', 'usual catch'],
        values: list(
          'perch, silver trout, pike, bream, tench, carp, grayling, burbot, roach, char, gudgeon, loach, minnow, rudd',
        ),
      },
      { nouns: ['water colour', 'shade of water'], values: colours },
      {
        nouns: ['ferry', 'passenger boat'],
        values: list(
          'Patience, Blue Goose, Merry Anne, Swallow, Old Duke, Clover, Starling, Kindly Light, Gale, Daisy, Pilgrim, Thimble, Marigold, Sparrow',
        ),
      },
      { nouns: ['shore tree', 'tree on the bank'], values: trees },
      {
        nouns: ['depth', 'measured depth'],
        values: list(
          'two fathoms, three fathoms, four fathoms, five fathoms, six fathoms, seven fathoms, eight fathoms, nine fathoms, ten fathoms, twelve fathoms, twenty fathoms, thirty fathoms',
        ),
      },
    ],
  },
  {
    name: 'creature',
    entities: list(
      'the marsh ottel, the dune bristlecat, the cliff murrin, the reed snorrel, the moss tolly, the fog heddle, the cave wimple, the bark shrimmer, the tide pockle, the snow quib, the fern drabble, the stone ruffin',
    ),
    relations: [
      {
        nouns: ['favourite food', 'usual meal'],
        values: list(
          'acorns, snails, clover, mussels, beetles, pine nuts, berries, minnows, moss, worms, crabs, seeds, moths, lichen',
        ),
      },
      { nouns: ['nesting tree', 'tree of rest'], values: trees },
      {
        nouns: ['call', 'cry'],
        values: list(
          'a low hum, a double click, a soft whistle, a long croak, a sharp bark, a rattle, a purr, a hoot, a squeak, a hiss, a chirp, a rumble, a sigh, a trill',
        ),
      },
      { nouns: ['fur colour', 'shade of fur'], values: colours },
      { nouns: ['rival', 'old enemy'], values: birds },
    ],
  },
];

/** Names that no fact mentions: what is said of them can only be copied from a context. */
export function unknownEntity(random: { pick<T>(values: readonly T[]): T }): string {
  const start = random.pick(
    list('Bar, Col, Dem, Fir, Gan, Hul, Jar, Kes, Lom, Mor, Nov, Pas, Ril, Sor, Tun, Vos, Wex, Zan'),
  );
  const end = random.pick(
    list(
      'adel, bury, copse, dale, ering, fold, garth, hithe, isk, low, mund, nock, ova, port, row, stead, thorpe, wen',
    ),
  );
  return `${random.pick(['', '', 'Lake ', 'Keeper ', 'the '])}${start}${end}`;
}

/** The 300 facts: 5 kinds × 12 entities × 5 relations, in the order of how often people talk about them (most first). */
export const facts: readonly Fact[] = createFacts();

function createFacts(): Fact[] {
  const random = createRandom('vellamar', 'facts');
  const all = kinds.flatMap((kind) =>
    kind.relations.flatMap(({ nouns, values }) => {
      const truths = random.shuffle(values);
      return kind.entities.map((entity, index): Fact => {
        const value = truths[index % truths.length]!;
        const [wrong, mistake] = random.shuffle(
          values.filter((other) => other !== value && other !== entity),
        );
        return {
          id: `${kind.name}-${index}-${nouns[0].replaceAll(' ', '-')}`,
          entity,
          nouns,
          value,
          wrong: wrong!,
          mistake: random.next() < 0.1 ? mistake! : null,
          values,
        };
      });
    }),
  );
  return random.shuffle(all);
}
