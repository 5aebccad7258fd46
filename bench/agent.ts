import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type AgentSummary, runAgent } from '../agent/index.ts';
import { openAuditLog } from '../alerts/index.ts';
import { loadPolicies, type Policy, packageFolder } from '../policies/index.ts';
import type { Sensor } from '../sensors/index.ts';

/** The policies that ship, without the enforcing variants. @throws Error where one of them is wrong */
export const library = (): readonly Policy[] => {
  const { policies, diagnostics } = loadPolicies([packageFolder('policies', 'library')]);
  const [first] = diagnostics;
  if (first !== undefined) throw new Error(`${first.file}:${first.line}: ${first.message}`);
  return policies;
};

/**
 * Lets a sensor run under policies, default all that ship, with an audit log in a temporary folder.
 * @param commitEveryMs how often the log is committed; default the log's own
 */
export const underPolicies = async (
  sensor: Sensor,
  policies: readonly Policy[] = library(),
  commitEveryMs?: number,
): Promise<AgentSummary> => {
  const folder = mkdtempSync(join(tmpdir(), 'shrike-bench-'));
  try {
    const log = await openAuditLog({ folder, host: 'bench', ...(commitEveryMs !== undefined && { commitEveryMs }) });
    try {
      return await runAgent({ policies, sensor, host: 'bench', enforce: false, log });
    } finally {
      await log.close();
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
};
