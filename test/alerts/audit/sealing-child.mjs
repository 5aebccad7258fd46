// Appends to a sealed log until it is killed; arguments: the folder, and how many entries at once.
import { setTimeout as delay } from 'node:timers/promises';
import { openAuditLog } from '../../../dist/alerts/audit/log.js';
import { openSealer } from '../../../dist/alerts/audit/sealer.js';

const [, , folder, atOnce] = process.argv;
const log = await openAuditLog({
  folder,
  host: 'web-1',
  reserveBytes: 0,
  segmentBytes: 20_000,
  keepBytes: 200_000,
  upkeepEveryMs: 20,
});
await openSealer({ log, everyMs: 5 });
for (let round = 0; ; round++) {
  for (let entry = 0; entry < Number(atOnce); entry++) log.append('start', { host: 'web-1', round, entry });
  await delay(1);
}
