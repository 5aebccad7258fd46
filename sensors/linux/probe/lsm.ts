import type { Prober } from './prober.ts';

/**
 * The active LSMs in their order, from /sys/kernel/security/lsm, or where securityfs isn't mounted from the kernel's command line or
 * configuration; undefined where none of them says.
 */
export const activeLsms = (prober: Prober): readonly string[] | undefined => {
  const list = prober.read('/sys/kernel/security/lsm');
  if (list !== undefined) return split(list);
  const parameter = [...(prober.read('/proc/cmdline') ?? '').matchAll(/(?:^|\s)lsm=(\S*)/g)].at(-1)?.[1];
  if (parameter !== undefined) return split(parameter);
  const { CONFIG_LSM, CONFIG_BPF_SYSCALL } = prober.config();
  return CONFIG_BPF_SYSCALL === undefined ? undefined : split(String(CONFIG_LSM ?? ''));
};

const split = (list: string): readonly string[] =>
  list
    .trim()
    .split(',')
    .filter((name) => name !== '');

/** Whether programs at LSM hooks run; undefined where nobody can tell. */
export const isLsmActive = (prober: Prober): boolean | undefined => activeLsms(prober)?.includes('bpf');
