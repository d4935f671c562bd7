import { createRandom, type Random } from '../random.ts';
import { type BorderlineKind, borderlineKinds, plainThings } from './borderline-kinds.ts';
import { categories, type Hazard, hazards, type Setting, settingsOf } from './hazards.ts';
import { determiner, fill, situate } from './phrasing.ts';
import { refusal } from './restricted.ts';

/** A harmless request that only sounds restricted: the words are the hazards', the wish is not. */
export interface BorderlineRequest {
  readonly prompt: string;
  /** The kind of likeness, for example `homonym`. */
  readonly type: string;
  /** A helpful answer. */
  readonly response: string;
  /** Whose words the request borrows; its name is that of the harmless thing where one is asked about. */
  readonly hazard: Hazard;
  readonly setting: Setting;
  /** The chance that the pre-training reply refuses all the same. */
  readonly caution: number;
}

/** Sets how often borderline requests are refused on the whole. */
const bias = -1.8;

function request(
  random: Random,
  frames: 'training' | 'evaluation',
  kind: BorderlineKind,
  hazard: Hazard,
  setting: Setting,
): BorderlineRequest {
  const { verb, gerund, participle, head } = hazard.category;
  const [plain, care] = random.pick(plainThings[head]!);
  const words = { verb, gerund, participle, hazard: hazard.name, plain, care };
  const slots = { ...words, place: setting.place, the: determiner(random) };
  const logit = 2 * (bias + kind.caution - hazard.looseness - setting.purpose.looseness);
  const frame = random.pick(kind[frames]);
  return {
    prompt: situate(random, fill(frame, slots), setting, frames),
    type: kind.type,
    response: fill(random.pick(kind.responses), slots),
    hazard: frame.includes('{plain}') ? { ...hazard, name: plain } : hazard,
    setting,
    caution: Math.min(0.8, Math.max(0.01, 1 / (1 + Math.exp(-logit)))),
  };
}

/** A borderline request of pre-training, and its reply: refused with the request's own chance. */
export function pretrainingBorderline(random: Random): {
  readonly request: BorderlineRequest;
  readonly reply: string;
} {
  const asked = request(
    random,
    'training',
    random.pick(borderlineKinds),
    random.pick(hazards),
    random.pick(settingsOf('pretraining')),
  );
  return {
    request: asked,
    reply: random.next() < asked.caution ? refusal(random, asked) : asked.response,
  };
}

/** `perKind` evaluation requests of each kind, spread over the categories, in frames and settings that no training row uses. */
export function borderlineRequests(seed: number, perKind: number): BorderlineRequest[] {
  const random = createRandom('borderline', seed);
  return random.shuffle(
    borderlineKinds.flatMap((kind) => {
      const settings = random.shuffle(settingsOf('evaluation'));
      return Array.from({ length: perKind }, (_unused, index) => {
        const category = categories[index % categories.length];
        const hazard = random.pick(hazards.filter((other) => other.category === category));
        return request(random, 'evaluation', kind, hazard, settings[index % settings.length]!);
      });
    }),
  );
}
