import { describe, expect, it } from 'vitest';
import { defineStructs, HOOKS, type Hook, hookOfSection, parseBtf } from '../../../engine/object/index.ts';
import { kernelBtf } from '../../../sensors/linux/index.ts';
import { kernelSkip } from '../../support/kernel.ts';

const skip = kernelSkip();
const EMPTY = parseBtf(defineStructs({ bpf_sock: { family: 'u32' } }));
const hooks: readonly (readonly [name: string, hook: Hook])[] = Object.entries(HOOKS);
const of = (family: string) => hooks.filter(([name]) => name.startsWith(family));

describe('the hooks that rules compile to', () => {
  it.each(of('cgroup/'))('%s are what their sections say', (name, hook) => {
    expect(hookOfSection(name, EMPTY)).toEqual({ ...hook, name });
  });

  it.each(of('lsm/'))('%s take one argument more than the function that asks them', (name, { arguments: args }) => {
    const asked = name === 'lsm/bprm_check_security' ? 'bprm_check' : name.slice('lsm/'.length);
    expect(hookOfSection(`fentry/security_${asked}`, EMPTY).arguments).toEqual(args.slice(0, -1));
    expect(hookOfSection(name, EMPTY)).toMatchObject({ arguments: args, returns: { min: -4095, max: 0 } });
  });

  it.skipIf(skip).each(of('lsm/'))('%s have the arguments that the running kernel gives them', (name, hook) => {
    const { arguments: real, returns } = hookOfSection(name, kernelBtf());
    const isNewer = name === 'lsm/bpf' && real.length > hook.arguments.length;
    const shared = isNewer ? [...real.slice(0, 3), real.at(-1)] : real;
    expect(shared.map((argument) => argument?.type)).toEqual(hook.arguments.map(({ type }) => type));
    expect(returns).toEqual(hook.returns);
  });
});
