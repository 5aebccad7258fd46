import type { Case } from '../case.ts';
import { connect4Cases } from './connect4.ts';
import { bprmCases, fileOpenCases, signalCases, socketConnectCases } from './enforcement.ts';
import { helperCases } from './helpers.ts';
import { cgroupIdCases, fileIdCases, kernelCases, processCases } from './kernel.ts';
import { execCases, exitCases, forkCases } from './lifecycle.ts';
import { mapCases, programMapCases } from './maps.ts';
import { coreCases, memoryCases } from './memory.ts';
import { pinCases } from './pins.ts';
import { policyCases } from './policies.ts';
import { enforcingCases } from './policy-enforcement.ts';
import { limitCases } from './policy-limits.ts';
import { policyProcessCases } from './policy-processes.ts';
import { fentryCases, kprobeCases } from './probes.ts';
import { lsmVerdictCases, refusedCases } from './refused.ts';
import { ringCases, streamCases } from './rings.ts';
import { socketAddressCases } from './socket-address.ts';
import { btfSysEnterCases, rawSysEnterCases } from './sys-enter.ts';
import { rawSysExitCases, sysExitCases } from './sys-exit.ts';
import { cgroupDenialCases, execKillCases, lsmDenialCases, signalCases as signalTierCases } from './tiers.ts';
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
  ...ringCases,
  ...streamCases,
  ...kernelCases,
  ...cgroupIdCases,
  ...fileIdCases,
  ...processCases,
  ...pinCases,
  ...refusedCases,
  ...lsmVerdictCases,
  ...fileOpenCases,
  ...bprmCases,
  ...socketConnectCases,
  ...connect4Cases,
  ...socketAddressCases,
  ...signalCases,
  ...policyCases,
  ...policyProcessCases,
  ...limitCases,
  ...enforcingCases,
  ...lsmDenialCases,
  ...cgroupDenialCases,
  ...execKillCases,
  ...signalTierCases,
];
