import { createAttribute } from './attribute.ts';
import { bpf, closeFd } from './call.ts';
import { BpfError } from './error.ts';

const STATISTICS_BYTES = 4;
/** BPF_STATS_RUN_TIME of enum bpf_stats_type. */
const RUN_TIME = 0;

/** The kernel's counting of runs, on as long as this is open and not beyond this process's end. */
export interface Statistics {
  close(): void;
}

/** Has the kernel count how often programs run and how long. @throws BpfError */
export function openStatistics(): Statistics {
  const attr = createAttribute(STATISTICS_BYTES);
  attr.u32(0, RUN_TIME);
  const fd = bpf('BPF_ENABLE_STATS', attr.bytes, STATISTICS_BYTES);
  if (fd < 0) throw new BpfError('BPF_ENABLE_STATS', -fd, 'statistics of programs');
  return { close: () => closeFd(fd) };
}
