import type { Liveness } from './liveness.ts';
import { type Scalar, scalarContains, UNKNOWN } from './scalar.ts';
import type { Slot } from './stack.ts';
import { copyFrames, type Frame, type Reference, type State } from './state.ts';
import { type Pointer, sameTarget, type Target, UNINITIALISED, type Value } from './value.ts';

/** A state that is remembered where ways meet, so that what it covers need not be explored again. */
export interface Checkpoint {
  frames: readonly Frame[];
  readonly references: readonly Reference[];
  readonly at: number;
  /** Rounds of loops that end by themselves on the way here, and which of them goes on here, 0 for none. */
  readonly rounds: number;
  readonly loop: number;
  /** Loops that ways from here go round in: what this covers must be in the same ones, or nothing would show that they end. */
  within: Set<number> | undefined;
  /** The one before it on the same path. */
  readonly before: Checkpoint | undefined;
  /** Paths from here that aren't explored to their end; a checkpoint covers nothing before they are. */
  open: number;
  hits: number;
  misses: number;
}

/** Remembers a state; the state's path goes on from there. */
export function newCheckpoint(state: State, at: number, loop: number): Checkpoint {
  return {
    at,
    rounds: state.rounds,
    loop,
    within: undefined,
    frames: copyFrames(state.frames),
    references: state.references,
    before: state.checkpoint,
    open: 1,
    hits: 0,
    misses: 0,
  };
}

/** Gives up a checkpoint that is compared too often in vain; its paths are still counted. */
export function forget(checkpoint: Checkpoint): void {
  checkpoint.frames = [];
}

/** Notes that the way to here goes on in these loops, each back to the newest state in which it began a round. */
export function goRound(newest: Checkpoint | undefined, loops: Iterable<number>): void {
  for (const loop of loops) {
    for (let each = newest; each && each.loop !== loop; each = each.before) {
      each.within ??= new Set();
      each.within.add(loop);
    }
  }
}

/** Whether a state is in all these loops. */
export function isWithin({ frames }: State, loops: ReadonlySet<number>): boolean {
  for (const loop of loops) {
    const inside = frames.some(
      ({ instance, calling, stack }) =>
        -1 - instance === loop ||
        calling?.id === loop ||
        stack.some((slot) => slot?.spill?.kind === 'iterator' && slot.spill.id === loop),
    );
    if (!inside) return false;
  }
  return true;
}

/** Notes that one path from here has ended, and closes those checkpoints that have none left. */
export function endPath(checkpoint: Checkpoint | undefined): void {
  for (let each = checkpoint; each; each = each.before) {
    each.open--;
    if (each.open > 0) return;
  }
}

/** The slot at which a frame goes on: the current one, or where the frame above returns to. */
const resumesAt = (frames: readonly Frame[], depth: number, at: number): number => frames[depth + 1]?.returnTo ?? at;

/** Forgets what no instruction from here on reads, so that states which differ only in that become equal. */
export function forgetDead(state: State, at: number, live: Liveness): void {
  state.frames.forEach(({ registers, stack }, depth) => {
    const top = depth === state.frames.length - 1;
    const place = resumesAt(state.frames, depth, at);
    for (let r = 0; r < 10; r++) {
      if (!live.liveRegister(place, r) || (!top && !state.frames[depth + 1]!.callback && r < 6)) {
        registers[r] = UNINITIALISED;
      }
    }
    if (!top) return;
    for (let index = 0; index < stack.length; index++) {
      const slot = stack[index];
      if (slot && !live.liveSlot(place, index) && slot.spill?.kind !== 'iterator') stack[index] = undefined;
    }
    while (stack.length > 0 && !stack[stack.length - 1]) stack.length--;
  });
}

/** The part of a state that decides what can happen from it. */
interface Comparable {
  readonly frames: readonly Frame[];
  readonly references: readonly Reference[];
}

/** Ids of the old state with the id that each stands for in the new one. */
type Ids = Map<number, number>;

/** Where two states were last found to differ: register 0 to 9, or 10 and the stack slot's index; -1 where they were not. */
export type Difference = number;

/**
 * Whether everything that `now` may be is covered by what was explored from `old`, both at the slot `at` with dead values forgotten.
 * What differs is mostly the same place again, a loop's counter: `likely` holds it and is looked at first.
 */
export function covers(
  old: Comparable,
  now: Comparable,
  at: number,
  live: Liveness,
  likely: { place: Difference },
): boolean {
  if (old.frames.length !== now.frames.length || old.references.length !== now.references.length) return false;
  const top = now.frames.length - 1;
  if (likely.place >= 0 && differs(old.frames[top]!, now.frames[top]!, at, live, likely.place)) return false;
  const ids: Ids = new Map();
  for (let depth = 0; depth <= top; depth++) {
    const a = old.frames[depth]!;
    const b = now.frames[depth]!;
    if (a.function !== b.function || a.returnTo !== b.returnTo || !callingCovers(a, b)) return false;
    const place = resumesAt(now.frames, depth, at);
    for (let r = 0; r < 10; r++) {
      if (!valueCovers(a.registers[r]!, b.registers[r]!, live.exactRegister(place, r), ids)) {
        likely.place = depth === top ? r : -1;
        return false;
      }
    }
    const below = depth < top && exactBelow(now.frames, depth, place, live);
    for (let index = 0; index < a.stack.length; index++) {
      const exact = depth < top ? below : live.exactSlot(place, index);
      if (!slotCovers(a.stack[index], b.stack[index], exact, ids)) {
        likely.place = depth === top ? 10 + index : -1;
        return false;
      }
    }
  }
  return old.references.every(({ id, section }, n) => {
    const other = now.references[n]!;
    return section === other.section && (section !== undefined || (ids.get(id) ?? id) === other.id);
  });
}

/** Whether the numbers in a frame matter exactly to the functions above it, or to itself when they have returned. */
function exactBelow(frames: readonly Frame[], depth: number, place: number, live: Liveness): boolean {
  for (let above = depth + 1; above < frames.length; above++) {
    if (live.exactBelow(frames[above]!.function, place)) return true;
  }
  return false;
}

/** A call that calls back has as many rounds before it as the old one, or fewer. */
const callingCovers = ({ calling: a }: Frame, { calling: b }: Frame): boolean =>
  a === b || (a !== undefined && b !== undefined && a.rounds <= b.rounds);

/** Whether one place alone shows that `now` isn't covered, links between values left aside. */
function differs(old: Frame, now: Frame, at: number, live: Liveness, place: Difference): boolean {
  if (place >= 10) {
    const index = place - 10;
    return !slotCovers(old.stack[index], now.stack[index], live.exactSlot(at, index), undefined);
  }
  return !valueCovers(old.registers[place]!, now.registers[place]!, live.exactRegister(at, place), undefined);
}

function valueCovers(old: Value, now: Value, exact: boolean, ids: Ids | undefined): boolean {
  if (old === now && (old.kind === 'uninitialised' || old.id === 0)) return true;
  switch (old.kind) {
    case 'uninitialised':
      return true;
    case 'scalar':
      return now.kind === 'scalar' && (!exact || (scalarContains(old, now) && linkCovers(old, now, ids)));
    case 'pointer':
      return now.kind === 'pointer' && pointerCovers(old, now, ids);
    case 'iterator':
      return (
        now.kind === 'iterator' && old.name === now.name && old.active === now.active && sameId(old.id, now.id, ids)
      );
  }
}

/** Copies that taught each other in the old state must be copies in the new one. */
function linkCovers(old: Scalar, now: Scalar, ids: Ids | undefined): boolean {
  if (old.id === 0 || !ids) return true;
  const known = ids.get(old.id);
  if (known !== undefined) return known !== 0 && known === now.id;
  ids.set(old.id, now.id);
  return true;
}

function pointerCovers(old: Pointer, now: Pointer, ids: Ids | undefined): boolean {
  if (old.orNull !== now.orNull || old.offset !== now.offset || !targetCovers(old.target, now.target)) return false;
  if (!scalarContains(old.variable, now.variable)) return false;
  return sameId(old.id, now.id, ids);
}

/** A packet of which more is known to be there will do too. */
const targetCovers = (old: Target, now: Target): boolean =>
  old.kind === 'packet'
    ? now.kind === 'packet' && old.from === now.from && old.range <= now.range
    : sameTarget(old, now);

/** Ids stand for each other one to one. */
function sameId(old: number, now: number, ids: Ids | undefined): boolean {
  if (old === 0 || now === 0) return old === now;
  if (!ids) return true;
  const known = ids.get(old);
  if (known !== undefined) return known === now;
  for (const taken of ids.values()) if (taken === now) return false;
  ids.set(old, now);
  return true;
}

/** Spills that aren't just numbers. */
const isExactKind = (spill: Value | undefined): boolean => spill?.kind === 'pointer' || spill?.kind === 'iterator';

function slotCovers(old: Slot | undefined, now: Slot | undefined, exact: boolean, ids: Ids | undefined): boolean {
  if (old === undefined || old === now)
    return old?.spill === undefined || valueCovers(old.spill, now!.spill!, exact, ids);
  if (now === undefined || (old.initialised & ~now.initialised) !== 0) return false;
  if (isExactKind(old.spill) || isExactKind(now.spill)) {
    return (
      old.spill !== undefined &&
      now.spill !== undefined &&
      old.size === now.size &&
      valueCovers(old.spill, now.spill, exact, ids)
    );
  }
  if (!exact) return true;
  if (old.spill === UNKNOWN) return true;
  if (old.spill) {
    if (!now.spill || now.size !== old.size || !valueCovers(old.spill, now.spill, exact, ids)) return false;
  } else if (now.spill) {
    return old.zero === 0;
  }
  return (old.zero & ~now.zero) === 0;
}
