import { strictEqual, throws } from 'node:assert';
import {
  add,
  and,
  assemble,
  call,
  exit,
  type Item,
  ja,
  jeq,
  jne,
  label,
  ldx,
  loadMap,
  mov,
  mul,
  R0,
  R1,
  R2,
  R3,
  R6,
  R10,
  st,
  stx,
} from '../../../../engine/isa/index.ts';
import type { MapSpec } from '../../../../engine/object/index.ts';
import { group } from '../case.ts';
import type { Host } from '../host.ts';
import { HELPERS } from '../programs.ts';

const HOOK = 'tp_btf/sys_exit';
const VALUES: MapSpec = { name: 'values', type: 'array', keySize: 4, valueSize: 16, maxEntries: 4 };
const RING: MapSpec = { name: 'events', type: 'ringbuf', keySize: 0, valueSize: 0, maxEntries: 4096 };

const load = (host: Host, items: readonly Item[], hook = HOOK) =>
  host.load({ name: 'judged', hook, ...assemble(items) }, [host.createMap(VALUES), host.createMap(RING)]);

/** Each kernel's verifier refuses it, with an error that names the program and says why. */
const refused =
  (items: readonly Item[], hook = HOOK) =>
  async (host: Host): Promise<void> => {
    throws(
      () => load(host, items, hook),
      (error: unknown) => {
        if (!(error instanceof Error)) return false;
        strictEqual(['VerifierError', 'ProgramRefused'].includes(error.name), true);
        strictEqual(error.message.includes('judged'), true);
        return error.message.length > 'judged'.length + 10;
      },
    );
  };
const taken =
  (items: readonly Item[], hook = HOOK) =>
  async (host: Host): Promise<void> => {
    strictEqual(load(host, items, hook).name, 'judged');
  };

const end: readonly Item[] = [mov(R0, 0), exit()];
/** r0 = a value of the map, or null. */
const lookup: readonly Item[] = [
  st('w', R10, -4, 1),
  loadMap(R1, 'values'),
  mov(R2, R10),
  add(R2, -4),
  call(HELPERS.map_lookup_elem),
];
const lookupOrEnd: readonly Item[] = [...lookup, jne(R0, 0, 'found'), ...end, label('found')];

export const refusedCases = group('verifier', [`hook:${HOOK}`], {
  'refuses a value that may be null': refused([...lookup, ldx('dw', R1, R0, 0), ...end]),
  'takes it behind the test': taken([...lookupOrEnd, ldx('dw', R1, R0, 0), ...end]),
  'refuses a load behind the end of a value': refused([...lookupOrEnd, ldx('dw', R1, R0, 12), ...end]),
  'takes the last bytes of a value': taken([...lookupOrEnd, ldx('dw', R1, R0, 8), ...end]),
  'refuses an index without a limit': refused([
    mov(R6, R1),
    ...lookupOrEnd,
    ldx('dw', R1, R6, 8),
    add(R0, R1),
    ldx('b', R1, R0, 0),
    ...end,
  ]),
  'takes an index that a mask limits': taken([
    mov(R6, R1),
    ...lookupOrEnd,
    ldx('dw', R1, R6, 8),
    and(R1, 15),
    add(R0, R1),
    ldx('b', R1, R0, 0),
    ...end,
  ]),
  'refuses a register that was never written': refused([mov(R0, R3), ...end]),
  'refuses a program without a result': refused([exit()]),
  'refuses stack below 512 bytes': refused([st('dw', R10, -520, 0), ...end]),
  'refuses a loop that never ends': refused([mov(R1, 0), label('again'), ja('again'), ...end]),
  'takes a loop with an end': taken([mov(R1, 64), label('again'), add(R1, -1), jne(R1, 0, 'again'), ...end]),
  'refuses registers that a call has lost': refused([mov(R1, 1), call(HELPERS.ktime_get_boot_ns), mov(R0, R1), ...end]),
  'refuses an unknown helper': refused([call(9999), ...end]),
  'refuses to write to a task': refused([call(HELPERS.get_current_task_btf), st('dw', R0, 0, 0), ...end]),
  'refuses a reservation that is never given back': refused([
    loadMap(R1, 'events'),
    mov(R2, 16),
    mov(R3, 0),
    call(HELPERS.ringbuf_reserve),
    ...end,
  ]),
  'refuses a reservation that is used after it was given back': refused([
    loadMap(R1, 'events'),
    mov(R2, 16),
    mov(R3, 0),
    call(HELPERS.ringbuf_reserve),
    jeq(R0, 0, 'end'),
    mov(R6, R0),
    mov(R1, R0),
    mov(R2, 0),
    call(HELPERS.ringbuf_submit),
    st('dw', R6, 0, 1),
    label('end'),
    ...end,
  ]),
  'refuses arithmetic on the pointer to the stack that leaves it': refused([
    mov(R1, R10),
    mul(R1, 2),
    stx('dw', R1, 0, R1),
    ...end,
  ]),
  'refuses the raw registers as if they were typed': refused(
    [ldx('dw', R1, R1, 0), ldx('dw', R1, R1, 0), ...end],
    'raw_tp/sys_enter',
  ),
  'refuses arguments that the hook does not have': refused([ldx('dw', R1, R1, 64), ...end]),
});

export const lsmVerdictCases = group('verifier of LSM programs', ['hook:lsm/file_open'], {
  // Before Linux 6.12 nobody looks.
  'refuses a positive result': [['level:6.12'], refused([mov(R0, 1), exit()], 'lsm/file_open')],
  'takes a negative errno': taken([mov(R0, -13), exit()], 'lsm/file_open'),
  'refuses what is no errno': [['level:6.12'], refused([mov(R0, -5000), exit()], 'lsm/file_open')],
});
