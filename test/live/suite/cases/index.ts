import type { Case } from '../case.ts';
import { helperCases } from './helpers.ts';
import { execCases, exitCases, forkCases } from './lifecycle.ts';
import { mapCases, programMapCases } from './maps.ts';
import { coreCases, memoryCases } from './memory.ts';
import { fentryCases, kprobeCases } from './probes.ts';
import { btfSysEnterCases, rawSysEnterCases } from './sys-enter.ts';
import { rawSysExitCases, sysExitCases } from './sys-exit.ts';
import { rawSyscallsCases, tracepointCases } from './tracepoints.ts';

/** The kernel suite. */
export const CASES: readonly Case[] = [
  ...sysExitCases,
  ...rawSysExitCases,
  ...rawSysEnterCases,
  ...btfSysEnterCases,
  ...tracepointCases,
  ...rawSyscallsCases,
  ...kprobeCases,
  ...fentryCases,
  ...execCases,
  ...forkCases,
  ...exitCases,
  ...memoryCases,
  ...coreCases,
  ...helperCases,
  ...mapCases,
  ...programMapCases,
];
