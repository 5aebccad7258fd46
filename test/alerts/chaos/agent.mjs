/* An agent's process: the real log and the real publisher, alerts raised at a rate. Told what to do by its argument (JSON), ended by a line on stdin. */
import { once } from 'node:events';
import { createInterface } from 'node:readline';

const { modules, folder, host, servers, perSecond } = JSON.parse(process.argv[2]);
const { createPublisher, openAuditLog } = await import(modules);
const TICK_MS = 5;
const FLUSH_MS = 300_000;

const say = (what) => process.stdout.write(`${JSON.stringify(what)}\n`);
const log = await openAuditLog({ folder, host, warn: (sentence) => say({ sentence }) });
const publisher = createPublisher({ servers, host, log, report: (sentence) => say({ sentence }) });

const alert = (seq) => ({
  v: 1,
  id: `${host}-${seq}`,
  seq,
  time: '2026-01-02T03:04:05.678900000Z',
  host,
  policy: 'credential-files',
  policyHash: 'ab'.repeat(32),
  rule: ['Password file read', 'Shell in a container', 'Unexpected connection'][seq % 3],
  priority: ['critical', 'warning'][seq % 2],
  tags: ['T1003.008'],
  hook: 'tp_btf/sys_exit',
  event: 'openat',
  output: `cat read /etc/shadow for the ${seq}th time`,
  fields: { 'proc.name': 'cat', 'proc.pid': 42 },
  trust: { 'proc.name': 'resolved', 'proc.pid': 'resolved' },
  process: { pid: 42, start: 1_000, exe: '/usr/bin/cat', cmdline: 'cat /etc/shadow', uid: 0, ancestors: [] },
  kernel: 'sim 6.12',
});

let owed = 0;
let last = performance.now();
const raising = setInterval(() => {
  const now = performance.now();
  owed = Math.min(owed + ((now - last) / 1000) * perSecond, perSecond / 10);
  last = now;
  for (; owed >= 1; owed--) log.append('alert', alert);
}, TICK_MS);
const telling = setInterval(() => say({ committed: log.committed }), 100);
say({ committed: log.committed });

await once(createInterface({ input: process.stdin }), 'line');
clearInterval(raising);
await log.flush();
const isFlushed = await publisher.flush(FLUSH_MS);
clearInterval(telling);
const { published, rewinds, resent, lastError } = publisher.state;
say({ ended: { isFlushed, committed: log.committed, published, rewinds, resent, lastError } });
await publisher.close();
await log.close();
process.exit(isFlushed ? 0 : 1);
