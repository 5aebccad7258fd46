import { createAttribute } from './attribute.ts';
import { addressOf, bpf } from './call.ts';
import { BpfError } from './error.ts';

const RUN_BYTES = 80;
/** What a program may put in front of or behind a packet (bpf_xdp_adjust_head and its kin). */
const GROWTH_BYTES = 512;

export interface TestRunOptions {
  /** The packet; at least 14 bytes for network programs. */
  readonly dataIn?: Uint8Array;
  /** Room for the packet as it is afterwards; default what came in and 512 bytes. */
  readonly dataOutSize?: number;
  /** What r1 points to: struct __sk_buff, xdp_md, or the bytes of a syscall program (at most 65,535). */
  readonly contextIn?: Uint8Array;
  /** Room for the context as it is afterwards; a syscall program's comes back whole in any case. */
  readonly contextOutSize?: number;
  /** How often a network program runs; the duration is the mean. Programs of other types take none. */
  readonly repeat?: number;
}

/** What a test run gave. */
export interface TestRun {
  /** r0, its low 32 bits, unsigned. */
  readonly returnValue: number;
  /** Nanoseconds a run, 0 where the type has none. */
  readonly durationNs: number;
  readonly dataOut: Uint8Array;
  readonly contextOut: Uint8Array;
}

/** Runs a loaded program once, or `repeat` times, where it is (BPF_PROG_TEST_RUN). @throws BpfError */
export function testRun(fd: number, options: TestRunOptions = {}): TestRun {
  const { dataIn, contextIn, repeat } = options;
  const context = contextIn && Buffer.from(contextIn);
  const data = Buffer.alloc(options.dataOutSize ?? (dataIn ? dataIn.length + GROWTH_BYTES : 0));
  const contextOut = Buffer.alloc(options.contextOutSize ?? 0);
  const attr = createAttribute(RUN_BYTES);
  attr.u32(0, fd);
  if (dataIn) {
    attr.u32(8, dataIn.length);
    attr.u64(16, addressOf(dataIn));
  }
  if (data.length > 0) {
    attr.u32(12, data.length);
    attr.u64(24, addressOf(data));
  }
  if (repeat !== undefined) attr.u32(32, repeat);
  if (context) {
    attr.u32(40, context.length);
    attr.u64(48, addressOf(context));
  }
  if (contextOut.length > 0) {
    attr.u32(44, contextOut.length);
    attr.u64(56, addressOf(contextOut));
  }
  const result = bpf('BPF_PROG_TEST_RUN', attr.bytes, RUN_BYTES);
  if (result < 0) throw new BpfError('BPF_PROG_TEST_RUN', -result, `program of fd ${fd}`);
  return {
    returnValue: attr.readU32(4),
    durationNs: attr.readU32(36),
    dataOut: data.subarray(0, attr.readU32(12)),
    contextOut: contextOut.length > 0 ? contextOut.subarray(0, attr.readU32(44)) : (context ?? new Uint8Array(0)),
  };
}
