import { readFileSync } from 'node:fs';
import { type Btf, type BtfType, parseBtf } from '../../engine/object/index.ts';
import { createAttribute } from './attribute.ts';
import { addressOf, bpf, closeFd } from './call.ts';
import { BpfError } from './error.ts';

const LOAD_BYTES = 32;
const LOG_BYTES = 65_536;

/** BTF that the running kernel has taken, for maps and programs to refer to. */
export interface LoadedBtf {
  readonly fd: number;
  close(): void;
}

/** Loads BTF into the running kernel. @throws BpfError with the kernel's log */
export function loadBtf(bytes: Uint8Array): LoadedBtf {
  const attr = createAttribute(LOAD_BYTES);
  attr.u64(0, addressOf(bytes));
  attr.u32(16, bytes.length);
  const fd = bpf('BPF_BTF_LOAD', attr.bytes, LOAD_BYTES);
  if (fd >= 0) return { fd, close: () => closeFd(fd) };
  const log = Buffer.alloc(LOG_BYTES);
  attr.u64(8, addressOf(log));
  attr.u32(20, log.length);
  attr.u32(24, 1);
  bpf('BPF_BTF_LOAD', attr.bytes, LOAD_BYTES);
  throw new BpfError('BPF_BTF_LOAD', -fd, 'BTF', log.toString('latin1', 0, log.indexOf(0)));
}

let kernel: Btf | undefined;

/** The running kernel's BTF (/sys/kernel/btf/vmlinux), read once. @throws Error where the kernel has none */
export function kernelBtf(): Btf {
  kernel ??= parseBtf(readFileSync('/sys/kernel/btf/vmlinux'));
  return kernel;
}

/** Id of a function or typedef of the running kernel, such as `btf_trace_sys_exit`; undefined where there is none. */
export const btfIdOf = (kind: Extract<BtfType['kind'], 'func' | 'typedef'>, name: string): number | undefined =>
  kernelBtf().find(kind, name);
