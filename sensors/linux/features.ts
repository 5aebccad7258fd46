import { existsSync, readFileSync } from 'node:fs';
import { release } from 'node:os';
import { assemble, exit, mov, R0 } from '../../engine/isa/index.ts';
import { type FeatureLevel, HOOKS, parseSection } from '../../engine/object/index.ts';
import type { KernelFeatures } from '../kernel.ts';
import { btfIdOf } from './btf.ts';
import { closeFd } from './call.ts';
import { tryLoad } from './program.ts';

const SECURITY_MODULES = '/sys/kernel/security/lsm';

/** The newest level that a kernel's release has: `6.18.3-cloud` has 6.12. */
export function levelOf(kernel: string): FeatureLevel {
  const [major = 0, minor = 0] = kernel.split(/[.-]/).map(Number);
  const version = major * 1000 + minor;
  if (version >= 6012) return '6.12';
  return version >= 6009 ? '6.9' : '6.1';
}

/** Whether BPF programs are among the active security modules; true where nobody can tell. */
const hasBpfLsm = (): boolean =>
  !existsSync(SECURITY_MODULES) || readFileSync(SECURITY_MODULES, 'utf8').trim().split(',').includes('bpf');

/** Whether an empty program for a hook is taken; it is attached nowhere. */
function takes(hook: string): boolean {
  const { programType, attachType, btf } = parseSection(hook);
  const id = btf && btfIdOf(btf.kind, btf.name);
  if (btf && id === undefined) return false;
  const fd = tryLoad({
    name: 'probe',
    instructions: assemble([mov(R0, 0), exit()]).instructions,
    programType,
    ...(attachType !== undefined && { attachType }),
    ...(id !== undefined && { attachBtfId: id }),
  });
  if (fd < 0) return false;
  closeFd(fd);
  return programType !== 'lsm' || hasBpfLsm();
}

/** What the running kernel offers with these privileges, found by loading empty programs and attaching none. */
export const linuxFeatures = (): KernelFeatures => {
  const hooks = Object.keys(HOOKS).filter(takes);
  return { name: release(), level: levelOf(release()), hooks, enforcement: true };
};
