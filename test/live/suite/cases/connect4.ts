import { deepStrictEqual, strictEqual } from 'node:assert';
import {
  type Item,
  jne,
  label,
  ldx,
  loadMapValue,
  mov,
  R0,
  R1,
  R6,
  R7,
  R9,
  stx,
} from '../../../../engine/isa/index.ts';
import { connect, SOCK_STREAM } from '../calls.ts';
import { group } from '../case.ts';
import { attachConfined, keep, observe } from '../programs.ts';

const [EPERM, ECONNREFUSED] = [1, 111];
const CONNECT4 = 'cgroup/connect4';
const [USER_IP4, USER_PORT] = [4, 24];
const LOOPBACK = 0x0100_007fn;
/** A port as the program sees it: 16 bits in network order. */
const swapped = (port: number): number => ((port & 0xff) << 8) | (port >> 8);

const connecting = (index: number, offset: number): readonly Item[] => [ldx('w', R7, R9, offset), keep(index, R7)];

export const connect4Cases = group(CONNECT4, [`hook:${CONNECT4}`], {
  'sees where a connection goes': async (host) => {
    const seen = observe(
      host,
      CONNECT4,
      3,
      [...connecting(0, USER_IP4), ...connecting(1, USER_PORT), ...connecting(2, 32)],
      { allow: 1 },
    );
    strictEqual(await connect(host, host.ports.open), 0);
    deepStrictEqual(seen.records(), [[LOOPBACK, BigInt(swapped(host.ports.open)), BigInt(SOCK_STREAM)]]);
  },
  'is not asked by tasks in other cgroups': async (host) => {
    const seen = observe(host, CONNECT4, 1, connecting(0, USER_PORT), { allow: 1 });
    const outsider = await host.outsider();
    strictEqual(await connect(host, host.ports.open, outsider), 0);
    deepStrictEqual(seen.records(), []);
  },
  'refuses with 0': [
    ['enforcement'],
    async (host) => {
      const { link } = attachConfined(host, CONNECT4, [mov(R0, 0)], { allow: 1 });
      strictEqual(await connect(host, host.ports.open), -EPERM);
      host.kernel.detach(link);
      strictEqual(await connect(host, host.ports.open), 0);
    },
  ],
  'sends a connection elsewhere': [
    ['enforcement'],
    async (host) => {
      const { open: there, closed } = host.ports;
      strictEqual(await connect(host, closed), -ECONNREFUSED);
      const config = host.createMap({
        name: 'ports',
        type: 'array',
        keySize: 4,
        valueSize: 8,
        maxEntries: 1,
        contents: [[new Uint8Array(4), new Uint8Array(Uint32Array.of(swapped(closed), swapped(there)).buffer)]],
      });
      attachConfined(
        host,
        CONNECT4,
        [
          loadMapValue(R6, 'ports', 0),
          ldx('w', R7, R9, USER_PORT),
          ldx('w', R1, R6, 0),
          jne(R7, R1, 'out of it'),
          ldx('w', R1, R6, 4),
          stx('w', R9, USER_PORT, R1),
          label('out of it'),
          mov(R0, 1),
        ],
        { allow: 1, maps: [config] },
      );
      strictEqual(await connect(host, closed), 0);
    },
  ],
  'replace: an attached program is exchanged at once': async (host) => {
    const first = observe(host, CONNECT4, 1, [mov(R7, 1), keep(0, R7)], { allow: 1 });
    const second = observe(host, CONNECT4, 1, [mov(R7, 2), keep(0, R7)], { allow: 1 });
    host.kernel.detach(second.link);
    const link = host.kernel.replace(first.link, second.program);
    strictEqual(await connect(host, host.ports.open), 0);
    deepStrictEqual([first.records(), second.records()], [[], [[2n]]]);
    host.kernel.detach(link);
    strictEqual(await connect(host, host.ports.open), 0);
    deepStrictEqual(second.records(), []);
  },
});
