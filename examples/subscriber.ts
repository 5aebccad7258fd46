// A subscriber of one's own: prints critical alerts, keeps how far it came, and says what did not arrive.
// In a project with `npm install shrike`: NATS_URL=nats://127.0.0.1:4222 node --experimental-strip-types subscriber.ts
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { type Alert, type Position, subscribeAlerts } from 'shrike/subscriber';

const file = process.env.POSITION ?? 'position.json';
const kept = existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Position) : undefined;

const handle = async ({ time, host, rule, process: { exe }, output }: Alert): Promise<void> => {
  console.log(`${time} ${host} ${rule} by ${exe ?? 'an unknown program'}: ${output}`);
};

const subscription = await subscribeAlerts({
  servers: process.env.NATS_URL ?? 'nats://127.0.0.1:4222',
  filters: { minPriority: 'critical' },
  from: kept ?? 'all',
  follow: process.env.FOLLOW !== 'no',
  onGap: ({ host, after, upTo }) => console.error(`${host}: alerts after ${after} up to ${upTo} are missing`),
  report: (sentence) => console.error(sentence),
});

process.once('SIGINT', () => void subscription.close());

for await (const alert of subscription) {
  await handle(alert);
  writeFileSync(`${file}.new`, JSON.stringify(subscription.position));
  renameSync(`${file}.new`, file);
}
