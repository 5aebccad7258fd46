import { add, call, ldx, loadMapValue, mov, R0, R1, R2, R3, R6, R10, stx } from '../../../engine/isa/index.ts';
import type { SimHost, SimTask } from '../../../sensors/index.ts';
import { observe } from './attached.ts';

const GET_CURRENT_TASK = 35;
const PROBE_READ_KERNEL = 113;

/** Kernel memory of a host, read as a program reads it: by address, with members found by name in the kernel's BTF. */
export interface Peek {
  /** Address of a task's task_struct. */
  task(task: SimTask): bigint;
  /** The member at `access` (`task_struct.mm`) of the struct at an address, as an unsigned number of its size. */
  field(address: bigint, access: string): bigint;
  /** Follows pointers from one struct to the next: `path(a, 'file.f_path.dentry', 'dentry.d_inode')`. */
  path(address: bigint, ...accesses: string[]): bigint;
  /** The NUL-terminated text at an address. */
  text(address: bigint): string;
}

export const createPeek = (host: SimHost): Peek => {
  const request = host.kernel.createMap({ name: 'request', type: 'array', keySize: 4, valueSize: 8, maxEntries: 1 });
  const records = observe(
    host,
    'tp_btf/sys_exit',
    3,
    [
      call(GET_CURRENT_TASK),
      stx('dw', R10, -8, R0),
      loadMapValue(R6, 'request', 0),
      ldx('dw', R3, R6, 0),
      mov(R1, R10),
      add(R1, -16),
      mov(R2, 8),
      call(PROBE_READ_KERNEL),
      stx('dw', R10, -24, R0),
    ],
    { maps: [request] },
  );
  const run = (caller: SimTask, address: bigint): bigint[] => {
    const value = new Uint8Array(8);
    new DataView(value.buffer).setBigUint64(0, address, true);
    request.update(new Uint8Array(4), value);
    records();
    host.call(caller, 'getpid', []);
    return records()[0] ?? [];
  };
  const read = (address: bigint): bigint => {
    const [, value = 0n, error] = run(host.root, address);
    if (error !== 0n) throw new Error(`nothing can be read at 0x${address.toString(16)}`);
    return value;
  };
  const field = (address: bigint, access: string): bigint => {
    const found = host.kernel.btf.access(access);
    if (!found) throw new Error(`the kernel's BTF has no ${access}`);
    return BigInt.asUintN(found.size * 8, read(address + BigInt(found.offset)));
  };
  return {
    task: (task) => run(task, 0n)[0] ?? 0n,
    field,
    path: (address, ...accesses) => accesses.reduce(field, address),
    text: (address) => {
      const bytes: number[] = [];
      for (let at = address; ; at += 8n) {
        const value = read(at);
        for (let index = 0n; index < 8n; index++) {
          const byte = Number((value >> (index * 8n)) & 0xffn);
          if (byte === 0) return new TextDecoder().decode(Uint8Array.from(bytes));
          bytes.push(byte);
        }
      }
    },
  };
};
