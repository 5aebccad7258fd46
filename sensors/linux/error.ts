import { type Command, errnoName } from './call.ts';

/** What to do about an errno, by call where it means something of its own there. */
const REMEDIES: Readonly<Record<string, string>> = {
  EPERM: 'run as root or with CAP_BPF and CAP_PERFMON (and CAP_NET_ADMIN for network programs)',
  EACCES: 'the verifier refused the program; its log says where',
  E2BIG: 'the kernel is too old for what is asked for, or a size is beyond its limit',
  ENOMEM:
    'the kernel has no memory for it; make it smaller (ring buffers by --ring-size), or raise the memory limit of the cgroup that this process runs in',
  EMFILE: 'this process has too many open files; close maps and programs, or raise `ulimit -n`',
  ENOSPC: 'there is no room left for it',
  ENOENT: 'there is none of that name or number',
  EBADF: 'a file descriptor that it refers to is closed',
  'BPF_PROG_LOAD E2BIG': 'the program is too large or too complex: at most 1,000,000 instructions are explored',
  'BPF_PROG_LOAD EINVAL':
    'the program breaks a rule, or its type, attach point or an instruction is unknown to this kernel',
  'BPF_MAP_CREATE EINVAL': 'the map type, its sizes or its flags are not what this kernel takes',
  'BPF_BTF_LOAD EINVAL': 'the BTF is broken',
  'BPF_RAW_TRACEPOINT_OPEN ENOENT': 'this kernel has no such tracepoint or function',
  'BPF_PROG_TEST_RUN EINVAL': 'the sizes of data or context are not what programs of this type take',
  'BPF_PROG_TEST_RUN ENOTSUPP': 'programs of this type have no test run',
};

/** What can be refused: commands of bpf(2), and the calls beside them. */
export type Call = Command | 'mmap' | 'perf_event_open';

/** What bpf(2) refused. */
export class BpfError extends Error {
  readonly call: Call;
  /** Its name: `EINVAL`. */
  readonly errno: string;
  /** The same as a number, positive. */
  readonly number: number;
  /** The line of the log that says why; empty where there is none. */
  readonly reason: string;
  /** The verifier's log, whole; empty where there was none. */
  readonly log: string;

  /** @param errno positive @param subject what the call was about: `map "counts" (hash)` */
  constructor(call: Call, errno: number, subject: string, log = '') {
    const name = errnoName(errno);
    const remedy = REMEDIES[`${call} ${name}`] ?? REMEDIES[name];
    const reason = lastReason(log);
    super(
      `${subject}: ${call} failed with ${name}${reason === '' ? '' : `: ${reason}`}${remedy === undefined ? '' : ` (${remedy})`}`,
    );
    this.name = 'BpfError';
    this.call = call;
    this.errno = name;
    this.number = errno;
    this.reason = reason;
    this.log = log;
  }
}

/** The line of a log that says why: the last that is no statistics. */
function lastReason(log: string): string {
  const lines = log.split('\n').map((line) => line.trim());
  const isReason = (line: string): boolean =>
    line !== '' &&
    !/^(processed \d+ insns|verification time|stack depth|peak_states|mark_precise:|\d+: \(|max_states)/.test(line);
  return lines.findLast(isReason) ?? '';
}
