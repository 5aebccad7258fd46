import type { Item } from '../../../engine/isa/index.ts';
import type { Random } from '../../support/random.ts';
import type { Profile } from './profiles.ts';
import { context, movePointer, someAccess, value } from './statements/accesses.ts';
import { alu, conditional } from './statements/arithmetic.ts';
import { callBack } from './statements/callbacks.ts';
import { callFunction, loop } from './statements/control.ts';
import { epilogue, prologue, wild } from './statements/frame.ts';
import { change, lookup, nullCheck, record } from './statements/map-calls.ts';
import { packet, variable } from './statements/offsets.ts';
import { createWriter, type Feature, type Menu } from './writer.ts';

export interface Generated {
  readonly items: readonly Item[];
  readonly features: ReadonlySet<Feature>;
}

const menu: Menu = ({ profile, random, slip }, { depth }) => [
  [9, alu],
  [2, context],
  [8, someAccess],
  [3, movePointer],
  [2, value],
  [7, variable],
  [depth < 4 ? 4 : 0, lookup],
  [1, nullCheck],
  [depth < 4 ? 2 : 0, change],
  [depth < 3 ? 1 : 0, record],
  [depth < 4 ? 5 : 0, conditional],
  [depth < 3 ? 2 : 0, loop],
  [depth < 3 ? 2 : 0, callFunction],
  [depth < 3 ? 1 : 0, callBack],
  [profile.packet ? 5 : 0, packet],
  [random.chance(slip * 4) ? 3 : 0, wild],
];

/**
 * A program of a profile's type, made statement by statement with knowledge of what each register holds, so that most are
 * plausible; with probability `slip` a single choice is made without looking.
 */
export function generate(random: Random, profile: Profile, slip: number): Generated {
  const w = createWriter(random, profile, slip, menu);
  prologue(w);
  const place = {
    locked: new Set<number>(),
    lockedSlots: new Set<number>(),
    depth: -1,
    calls: 0,
    loops: 0,
    held: false,
  };
  w.block(place, random.between(3, 16));
  epilogue(w);
  return { items: [...w.out, ...w.functions.flat()], features: w.features };
}
