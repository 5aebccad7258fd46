import type { Case } from '../case.ts';
import { sysExitCases } from './calls.ts';

/** The kernel suite. */
export const CASES: readonly Case[] = [...sysExitCases];
