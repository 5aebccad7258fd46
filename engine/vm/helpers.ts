import type { ProgramType } from '../object/index.ts';
import type { Helper } from './helper.ts';
import { cgroupHelpers } from './helpers-cgroup.ts';
import { controlHelpers } from './helpers-control.ts';
import { currentHelpers } from './helpers-current.ts';
import { dynptrHelpers } from './helpers-dynptr.ts';
import { mapHelpers } from './helpers-map.ts';
import { packetHelpers } from './helpers-packet.ts';
import { probeHelpers } from './helpers-probe.ts';
import { ringbufHelpers } from './helpers-ringbuf.ts';
import { socketHelpers } from './helpers-socket.ts';
import { storageHelpers } from './helpers-storage.ts';
import { textHelpers } from './helpers-text.ts';
import { traceHelpers } from './helpers-trace.ts';

/** Every helper that programs may call, by id. */
export const HELPERS: readonly Helper[] = [
  ...mapHelpers,
  ...ringbufHelpers,
  ...dynptrHelpers,
  ...controlHelpers,
  ...storageHelpers,
  ...currentHelpers,
  ...probeHelpers,
  ...textHelpers,
  ...traceHelpers,
  ...packetHelpers,
  ...socketHelpers,
  ...cgroupHelpers,
].sort((a, b) => a.id - b.id);

const byName = new Map(HELPERS.map((helper) => [helper.name, helper]));
const byId = new Map(HELPERS.map((helper) => [helper.id, helper]));

/** The helper of that name, `bpf_map_lookup_elem`. */
export const helperByName = (name: string): Helper | undefined => byName.get(name);

/** The helper that a call's imm names. */
export const helperById = (id: number): Helper | undefined => byId.get(id);

/** A helper as programs of a type know it: with what it takes there. */
export const helperFor = (helper: Helper, type: ProgramType): Helper =>
  helper.otherArguments?.programTypes.includes(type)
    ? { ...helper, arguments: helper.otherArguments.arguments }
    : helper;

/** Whether programs of a type, on an attach type and hook where those are known, may call a helper. */
export function mayCall(
  helper: Helper,
  {
    programType,
    attachType,
    name,
  }: { readonly programType: ProgramType; readonly attachType?: number; readonly name?: string },
): boolean {
  if (helper.programTypes !== 'all' && !helper.programTypes.includes(programType)) return false;
  const attachTypes = helper.attachTypes?.[programType];
  if (attachTypes && attachType !== undefined && !attachTypes.includes(attachType)) return false;
  return !helper.hooks || name === undefined || helper.hooks.test(name);
}
