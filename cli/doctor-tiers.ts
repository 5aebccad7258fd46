import { TIER_NAMES, TIERS, type Tier } from '../rules/index.ts';
import { explainHook, type KernelReport } from '../sensors/index.ts';
import type { DoctorTier } from './doctor-records.ts';

/** The hooks that stand for a way. */
const HOOKS_OF: Readonly<Record<Exclude<Tier, 'fanotify'>, readonly string[]>> = {
  lsm: ['lsm/file_open', 'lsm/bprm_check_security', 'lsm/socket_connect'],
  cgroup: ['cgroup/connect4', 'cgroup/sendmsg4', 'cgroup/bind4'],
  exec: ['tp_btf/sched_process_exec'],
  signal: ['tp_btf/sys_exit'],
};

const fanotify = ({ fanotify: errno }: KernelReport): DoctorTier => {
  const found = `where mounts are named (--fanotify-mount) ${TIERS.fanotify.effect}`;
  if (errno === undefined) return { type: 'tier', tier: 'fanotify', works: true, found };
  const remedy =
    errno === 'EPERM'
      ? 'run it with CAP_SYS_ADMIN (AmbientCapabilities= of a systemd unit), in the first user namespace'
      : 'boot a kernel built with CONFIG_FANOTIFY_ACCESS_PERMISSIONS=y';
  return { type: 'tier', tier: 'fanotify', works: false, found: `fanotify is refused (${errno})`, remedy };
};

/** The ways to enforce, strongest first, and whether this kernel and these privileges have them. */
export const doctorTiers = (report: KernelReport): readonly DoctorTier[] =>
  TIER_NAMES.map((tier): DoctorTier => {
    if (tier === 'fanotify') return fanotify(report);
    const missing = HOOKS_OF[tier].find((hook) => report.hooks[hook] !== undefined);
    if (missing === undefined) return { type: 'tier', tier, works: true, found: TIERS[tier].effect };
    const { why, remedy } = explainHook(missing, report.hooks[missing] ?? { kind: 'absent' }, report);
    return { type: 'tier', tier, works: false, found: why, remedy };
  });
