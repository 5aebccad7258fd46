import { type Helper, helperNameOf, kfuncByName } from '../vm/index.ts';
import type { VerifierContext } from './context.ts';
import { Rejection } from './error.ts';
import { hasSince, isGplCompatible } from './level.ts';
import type { Step } from './step.ts';

/** The kernel function that a BTF id stands for, undefined where there is none or it isn't known here. */
export function kfuncOf(id: number, context: VerifierContext): Helper | undefined {
  const name = kfuncName(id, context);
  return name === undefined ? undefined : kfuncByName(name);
}

function kfuncName(id: number, { btf }: VerifierContext): string | undefined {
  const type = id > 0 && id <= btf.count ? btf.type(id) : undefined;
  return type?.kind === 'func' ? type.name : undefined;
}

/** What a call by id calls; only where it is reached, since loaders leave calls of what a kernel doesn't have in dead code. @throws Rejection */
export function calledBy({ kind, imm, helper }: Step, context: VerifierContext): Helper {
  if (!helper) throw new Rejection(kind === 'kfunc' ? missingKfunc(imm, context) : missingHelper(imm));
  checkAllowed(helper, context);
  return helper;
}

function missingHelper(id: number): string {
  const name = helperNameOf(id);
  return name === undefined ? `there is no helper number ${id}` : `${name} is a helper of Linux that is not supported`;
}

function missingKfunc(id: number, context: VerifierContext): string {
  const name = kfuncName(id, context);
  if (name === undefined) return `there is no kernel function with the BTF id ${id}`;
  return `the kernel function ${name} is not supported`;
}

/** @throws Rejection where the program's type, hook, license or kernel keeps it from a helper */
export function checkAllowed(helper: Helper, { hook, level, license }: VerifierContext): void {
  const { name, programTypes } = helper;
  if (programTypes !== 'all' && !programTypes.includes(hook.programType)) {
    throw new Rejection(`${name} may not be called by a program of type ${hook.programType}`);
  }
  const attachTypes = helper.attachTypes?.[hook.programType];
  const attached = hook.attachType === undefined || (attachTypes?.includes(hook.attachType) ?? true);
  const hooked = hook.name === undefined || (helper.hooks?.test(hook.name) ?? true);
  if (!attached || !hooked) throw new Rejection(`${name} may not be called at ${hook.name ?? 'this hook'}`);
  if (!hasSince(level, helper.since)) {
    throw new Rejection(`${name} exists from Linux ${helper.since} on; the program is for ${level}`);
  }
  if (helper.gplOnly && !isGplCompatible(license)) {
    throw new Rejection(`${name} is for programs under a license compatible with the GPL; this one's is "${license}"`);
  }
  if (helper.sleepable && !hook.sleepable) {
    throw new Rejection(`${name} may sleep, so only programs that may sleep can call it; use a hook ending in .s`);
  }
}
