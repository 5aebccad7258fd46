import type { Helper } from './helper.ts';
import { currentHelpers } from './helpers-current.ts';
import { mapHelpers } from './helpers-map.ts';
import { probeHelpers } from './helpers-probe.ts';
import { textHelpers } from './helpers-text.ts';

/** Every helper that programs may call, by id. Tracing, LSM and raw tracepoint programs get them all (bpf_tracing_func_proto, bpf_lsm_func_proto). */
export const HELPERS: readonly Helper[] = [...mapHelpers, ...currentHelpers, ...probeHelpers, ...textHelpers].sort(
  (a, b) => a.id - b.id,
);

const byName = new Map(HELPERS.map((helper) => [helper.name, helper]));
const byId = new Map(HELPERS.map((helper) => [helper.id, helper]));

/** The helper of that name, `bpf_map_lookup_elem`. */
export const helperByName = (name: string): Helper | undefined => byName.get(name);

/** The helper that a call's imm names. */
export const helperById = (id: number): Helper | undefined => byId.get(id);
