import { existsSync, readFileSync } from 'node:fs';
import { createAttribute } from './attribute.ts';
import { addressOf, openPerfEvent } from './call.ts';
import { BpfError } from './error.ts';

/** PERF_ATTR_SIZE_VER7 of include/uapi/linux/perf_event.h. */
const ATTRIBUTE_BYTES = 128;
const PERF_TYPE_TRACEPOINT = 2;
const TRACEFS = ['/sys/kernel/tracing', '/sys/kernel/debug/tracing'];
const KPROBE_EVENTS = '/sys/bus/event_source/devices/kprobe';

function open(type: number, config: bigint, subject: string, name?: string): number {
  const attr = createAttribute(ATTRIBUTE_BYTES);
  const bytes = Buffer.from(`${name ?? ''}\0`);
  attr.u32(0, type);
  attr.u32(4, ATTRIBUTE_BYTES);
  attr.u64(8, config);
  if (name !== undefined) attr.u64(56, addressOf(bytes));
  const fd = openPerfEvent(attr.bytes, 0);
  if (fd < 0) throw new BpfError('perf_event_open', -fd, subject);
  return fd;
}

/** The event of a tracepoint, `sched/sched_process_exec`: its file descriptor. @throws BpfError; Error where there is none or no tracefs */
export function tracepointEvent(tracepoint: string, subject: string): number {
  const tracefs = TRACEFS.find((folder) => existsSync(`${folder}/events`));
  if (tracefs === undefined)
    throw new Error(
      `${subject}: the number of a tracepoint is read from tracefs, which is not mounted; \`mount -t tracefs tracefs ${TRACEFS[0]}\`, or use a raw tracepoint`,
    );
  const file = `${tracefs}/events/${tracepoint}/id`;
  if (!existsSync(file)) throw new Error(`${subject}: this kernel has no tracepoint ${tracepoint} (no ${file})`);
  return open(PERF_TYPE_TRACEPOINT, BigInt(readFileSync(file, 'utf8').trim()), subject);
}

/** The event of entering or leaving a kernel function: its file descriptor. @throws BpfError; Error where the kernel has no kprobes */
export function kprobeEvent(name: string, atReturn: boolean, subject: string): number {
  if (!existsSync(KPROBE_EVENTS))
    throw new Error(`${subject}: this kernel has no kprobes (CONFIG_KPROBE_EVENTS); use fentry or a raw tracepoint`);
  const type = Number(readFileSync(`${KPROBE_EVENTS}/type`, 'utf8'));
  const bit = /config:(\d+)/.exec(readFileSync(`${KPROBE_EVENTS}/format/retprobe`, 'utf8'))?.[1] ?? '0';
  return open(type, atReturn ? 1n << BigInt(bit) : 0n, subject, name);
}
