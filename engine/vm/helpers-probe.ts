import { EFAULT, EINVAL, EPERM, ERANGE } from '../maps/index.ts';
import type { VmEnvironment } from './environment.ts';
import type { Helper } from './helper.ts';
import { argument, bytesArgument, pointer, row, size } from './helper-arguments.ts';
import { TRACING_TYPES } from './program-types.ts';
import { USER_END } from './user-space.ts';

/** Kernel memory is readable to the end of a page that is in use. */
const PAGE = 4096;
/** Strings are read in pieces that end at a multiple of this, so that a piece never crosses into the next page. */
export const STRING_PIECE = 256;

/** `either`: what the address says, as the helpers do that are older than the two others. */
type Space = 'user' | 'kernel' | 'either';

/** Bytes at an address, or the negative errno of copy_from_user_nofault and copy_from_kernel_nofault (mm/maccess.c). */
export function readMemory(
  environment: VmEnvironment,
  space: Space,
  address: bigint,
  length: number,
): Uint8Array | number {
  if (space === 'user' || (space === 'either' && address < USER_END))
    return environment.readUser(address, length) ?? -EFAULT;
  const signed = BigInt.asIntN(64, address);
  const canonical = BigInt.asIntN(48, signed) === signed;
  if (!canonical || address < USER_END) return -ERANGE;
  const { bytes, used } = environment.memory;
  const offset = environment.memory.offset(address, 1);
  return offset === undefined || offset + length > Math.ceil(used / PAGE) * PAGE
    ? -EFAULT
    : bytes.subarray(offset, offset + length);
}

const nameOf = (space: Space): string => (space === 'either' ? 'bpf_probe_read' : `bpf_probe_read_${space}`);

function probeRead(id: number, space: Space): Helper {
  const name = nameOf(space);
  return {
    name,
    id,
    arguments: ['memory_out', 'size_or_zero', 'anything'],
    returns: 'scalar',
    programTypes: space === 'either' ? TRACING_TYPES : 'all',
    gplOnly: true,
    run: (environment, registers) => {
      const length = size(name, registers, 2);
      if (length === 0) return 0n;
      const { bytes } = environment.memory;
      const destination = pointer(name, environment, registers, 1, length);
      const source = readMemory(environment, space, argument(registers, 3), length);
      if (typeof source === 'number') {
        bytes.fill(0, destination, destination + length);
        return BigInt(source);
      }
      bytes.set(source, destination);
      return 0n;
    },
  };
}

function probeReadString(id: number, space: Space): Helper {
  const name = `${nameOf(space)}_str`;
  return {
    name,
    id,
    arguments: ['memory_out', 'size_or_zero', 'anything'],
    returns: 'scalar',
    boundedBySize: true,
    programTypes: space === 'either' ? TRACING_TYPES : 'all',
    gplOnly: true,
    run: (environment, registers) => {
      const length = size(name, registers, 2);
      if (length === 0) return 0n;
      const { bytes } = environment.memory;
      const destination = pointer(name, environment, registers, 1, length);
      const address = argument(registers, 3);
      let done = 0;
      while (done < length) {
        const at = BigInt.asUintN(64, address + BigInt(done));
        const piece = readMemory(
          environment,
          space,
          at,
          Math.min(length - done, STRING_PIECE - Number(at & BigInt(STRING_PIECE - 1))),
        );
        if (typeof piece === 'number') {
          bytes.fill(0, destination, destination + length);
          return BigInt(piece);
        }
        const nul = piece.indexOf(0);
        if (nul >= 0) {
          bytes.set(piece.subarray(0, nul + 1), destination + done);
          return BigInt(done + nul + 1);
        }
        bytes.set(piece, destination + done);
        done += piece.length;
      }
      bytes[destination + length - 1] = 0;
      return BigInt(length);
    },
  };
}

/** bpf_copy_from_user and its like: the pages are read in, so that only what is not mapped fails. */
function copyFrom(id: number, name: string, hasTask: boolean): Helper {
  return row(
    id,
    name,
    ['memory_out', 'size_or_zero', 'anything', ...(hasTask ? ([{ struct: 'task_struct' }, 'anything'] as const) : [])],
    'scalar',
    'all',
    (environment, registers) => {
      const to = bytesArgument(`bpf_${name}`, environment, registers, 1, size(`bpf_${name}`, registers, 2));
      const task = hasTask ? argument(registers, 4) : environment.currentTask();
      if (hasTask && argument(registers, 5) !== 0n) return -EINVAL;
      if (to.length === 0) return 0;
      const address = argument(registers, 3);
      const read = environment.readTask?.(task, address, to.length);
      const bytes = read ?? (task === environment.currentTask() ? environment.readUser(address, to.length) : undefined);
      if (bytes) to.set(bytes);
      else to.fill(0);
      return bytes ? 0 : -EFAULT;
    },
    { sleepable: true, gplOnly: hasTask },
  );
}

/**
 * Reads that may fail (kernel/trace/bpf_trace.c): -EFAULT where nothing is mapped, -ERANGE for a user address given to the
 * kernel variants; the destination is zeroed then. Strings give their length with the NUL, which is always there.
 */
export const probeHelpers: readonly Helper[] = [
  probeRead(4, 'either'),
  row(
    36,
    'probe_write_user',
    ['anything', 'memory', 'size'],
    'scalar',
    TRACING_TYPES,
    (environment, registers) => {
      const bytes = bytesArgument(
        'bpf_probe_write_user',
        environment,
        registers,
        2,
        size('bpf_probe_write_user', registers, 3),
      );
      return environment.writeUser?.(argument(registers, 1), bytes.slice()) ?? -EPERM;
    },
    { gplOnly: true },
  ),
  probeReadString(45, 'either'),
  probeRead(112, 'user'),
  probeRead(113, 'kernel'),
  probeReadString(114, 'user'),
  probeReadString(115, 'kernel'),
  copyFrom(148, 'copy_from_user', false),
  copyFrom(191, 'copy_from_user_task', true),
];
