import type { FeatureLevel } from '../../../engine/object/index.ts';
import type { KernelFeatures } from '../../kernel.ts';
import { PROBED_HOOKS, probeHook } from './hooks.ts';
import { inWords } from './obstacle.ts';
import { createProber, type Prober } from './prober.ts';
import { assembled, kfuncCall, syscallProgram } from './programs.ts';
import { tooOld, whyUnavailable } from './unavailable.ts';

/** What tells a level from those below it: a program that only such kernels take. */
const MARKS: readonly { readonly level: FeatureLevel; readonly has: (prober: Prober) => boolean }[] = [
  // bpf_ktime_get_tai_ns
  { level: '6.1', has: (prober) => prober.load(syscallProgram('call 208; r0 = 0; exit')) === undefined },
  // from 6.9 to 6.13 the verifier refuses a distance of 0
  { level: '6.9', has: (prober) => prober.load(syscallProgram('may_goto +1; r0 = 1; r0 = 0; exit')) === undefined },
  {
    level: '6.12',
    has: (prober) => {
      const id = kfuncId('bpf_copy_from_user_str', prober);
      if (id === undefined) return false;
      const before = assembled('r1 = r10; r1 += -8; r2 = 8; r3 = 0; r4 = 0');
      const instructions = [...before, kfuncCall(id), ...assembled('r0 = 0; exit')];
      return prober.load({ ...syscallProgram('exit'), instructions }) === undefined;
    },
  },
];

const kfuncId = (name: string, prober: Prober): number | undefined => {
  try {
    return prober.btfId('func', name);
  } catch {
    return undefined;
  }
};

/** The highest level all of whose programs load, whatever the kernel calls itself; undefined below 6.1. */
export const probeLevel = (prober: Prober): FeatureLevel | undefined => {
  let reached: FeatureLevel | undefined;
  for (const { level, has } of MARKS) {
    if (!has(prober)) break;
    reached = level;
  }
  return reached;
};

/**
 * What a kernel can be used for, for a start that must be quick: its level, and of some hooks those that programs can attach to, found
 * by loading empty programs. @throws Error where Shrike can do nothing here, with what to do about it
 */
export const probeFeatures = (
  hooks: readonly string[] = PROBED_HOOKS,
  prober: Prober = createProber(),
): KernelFeatures => {
  const unavailable = whyUnavailable(prober);
  if (unavailable !== undefined) throw new Error(inWords(unavailable));
  const level = probeLevel(prober);
  if (level === undefined) throw new Error(inWords(tooOld(prober)));
  const usable = hooks.filter((hook) => probeHook(hook, prober) === undefined);
  return { name: prober.release, level, hooks: usable, enforcement: true };
};
