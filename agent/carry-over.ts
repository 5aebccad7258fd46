import {
  BUCKET,
  type Compiled,
  countedRules,
  STEPS_MAP,
  WINDOW_MAPS,
  type WindowRecord,
  windowEntry,
} from '../rules/index.ts';
import type { KernelMap } from '../sensors/index.ts';
import { FIRST, mapOf } from './load.ts';
import { ruleText } from './rule-changes.ts';

/** A compiled object in a kernel. */
interface InKernel {
  readonly compiled: Compiled;
  readonly maps: ReadonlyMap<string, KernelMap>;
}

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** Where rules' buckets are, by hook and what the rule says: the hook's index and the rule's bit. */
const bucketPlaces = ({ plan, layouts }: Compiled): ReadonlyMap<string, readonly [hook: number, bit: number]> =>
  new Map(
    layouts.flatMap(({ hook, index, rules }) =>
      rules.flatMap((rule, bit) => {
        const found = plan.rules[rule];
        return found === undefined ? [] : [[`${hook} ${ruleText(found)}`, [index, bit]] as const];
      }),
    ),
  );

/** Gives rules that stay as they are the buckets that they have in another object, with what is left in them. */
export const carryBuckets = (from: InKernel, to: InKernel): void => {
  const places = bucketPlaces(to.compiled);
  const news = new Map(
    [...bucketPlaces(from.compiled)].flatMap(([said, [hook, bit]]) => {
      const place = places.get(said);
      return place === undefined ? [] : [[`${hook} ${bit}`, place] as const];
    }),
  );
  const [before, after] = [mapOf(from.maps, 'buckets'), mapOf(to.maps, 'buckets')];
  for (const key of before.keys()) {
    const view = viewOf(key);
    const place = news.get(`${view.getUint16(BUCKET.key.hook, true)} ${view.getUint16(BUCKET.key.bit, true)}`);
    const value = place && before.lookup(key);
    if (place === undefined || value === undefined) continue;
    view.setUint16(BUCKET.key.hook, place[0], true);
    view.setUint16(BUCKET.key.bit, place[1], true);
    viewOf(value).setBigUint64(BUCKET.value.held, 0n, true);
    after.update(key, value);
  }
};

/** Gives another object what is left of executables' budgets of kills: other policies are no reason for more. */
export const carryKills = (from: Pick<InKernel, 'maps'>, to: Pick<InKernel, 'maps'>): void => {
  const [before, after] = [mapOf(from.maps, 'kills'), mapOf(to.maps, 'kills')];
  for (const key of before.keys()) {
    const value = before.lookup(key);
    if (value !== undefined) after.update(key, value);
  }
};

/** What programs counted and did not hand over; call it when they don't count any more. */
export const countedWindows = ({ maps }: Pick<InKernel, 'maps'>): readonly WindowRecord[] => {
  const windows = maps.get(WINDOW_MAPS.windows);
  if (windows === undefined) return [];
  return [...windows.keys()].flatMap((key) => {
    const value = windows.lookup(key);
    return value === undefined ? [] : windowEntry(key, value);
  });
};

/** Has programs hand over every match of counted rules for as long as a window can hold one that came before `time`, nanoseconds since boot. */
export const uncountedBefore = ({ compiled, maps }: InKernel, time: bigint): void => {
  const map = maps.get(WINDOW_MAPS.uncounted);
  if (map === undefined) return;
  const cells = new Uint8Array(map.spec.valueSize);
  for (const cell of countedRules(compiled.plan).keys()) viewOf(cells).setBigUint64(8 * cell, time, true);
  map.update(FIRST, cells);
};

/** Has programs take every step of a sequence for one that something came before until `time`, nanoseconds since boot, and as long after it as the sequence may take. */
export const stepsBefore = ({ maps }: Pick<InKernel, 'maps'>, time: bigint): void => {
  const map = maps.get(STEPS_MAP);
  if (map === undefined) return;
  const cells = new Uint8Array(map.spec.valueSize);
  for (let at = 0; at < cells.length; at += 8) viewOf(cells).setBigUint64(at, time, true);
  map.update(FIRST, cells);
};
