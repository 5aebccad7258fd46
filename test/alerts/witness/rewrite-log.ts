import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createLineSpace, decodeLine } from '../../../alerts/audit/line.ts';
import { openLogKey } from '../../../alerts/audit/log-key.ts';
import { MARK_FILE } from '../../../alerts/audit/mark.ts';
import { CHECKPOINT_FILE, openSeal } from '../../../alerts/audit/seal.ts';

/** What somebody with the host and the log's key does: changes an entry of a log that nobody writes to, and signs all of it anew. What a crash tore off its end goes. */
export const rewriteLog = async (folder: string, host: string, seq: number): Promise<void> => {
  const space = createLineSpace(1 << 16);
  const all: Buffer[] = [];
  for (const name of readdirSync(folder)
    .filter((each) => each.endsWith('.jsonl'))
    .sort()) {
    const path = join(folder, name);
    const lines = readFileSync(path, 'utf8')
      .trimEnd()
      .split('\n')
      .filter((line) => line !== '');
    const written = lines.flatMap((line) => {
      const decoded = decodeLine(Buffer.from(line));
      if (!decoded.ok) return [];
      const { entry } = decoded;
      if (entry.seq !== seq) return [Buffer.from(line)];
      return [Buffer.from(space.write({ ...entry, body: { nothing: 'happened' } }).bytes)];
    });
    writeFileSync(path, written.map((line) => `${line}\n`).join(''));
    all.push(...written);
  }
  const signer = await openLogKey(folder, host);
  for (const name of [MARK_FILE, CHECKPOINT_FILE, 'tile']) rmSync(join(folder, name), { recursive: true, force: true });
  const seal = openSeal(folder, signer);
  for (const line of all) seal.add(line);
  await seal.sign();
};
