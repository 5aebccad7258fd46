import type { Standing } from '../agent/index.ts';
import type { Announcer, Publisher, Sealer, StoredLog } from '../alerts/index.ts';
import type { Sensor } from '../sensors/index.ts';
import { createMetrics } from './metrics.ts';
import { type Check, type MetricsAddress, type MetricsServer, serveMetrics } from './metrics-server.ts';
import { version } from './package.ts';

/** What a session's endpoint is about. */
export interface SessionMetrics {
  readonly address: MetricsAddress;
  readonly host: string;
  readonly sensor: Sensor;
  readonly log: StoredLog;
  readonly sealer: Sealer;
  readonly announcer: Announcer | undefined;
  readonly publisher: Publisher | undefined;
  /** Undefined until programs are attached. */
  standing(): Standing | undefined;
}

/** An agent that has not looked into its ring buffers for so long hangs. */
const HANGS_MS = 10_000;

/** Serves how a session stands. @throws CliError where the address can't be had */
export const serveSession = ({
  address,
  host,
  sensor,
  log,
  sealer,
  announcer,
  publisher,
  standing,
}: SessionMetrics): Promise<MetricsServer> => {
  const health = (): readonly Check[] => {
    const now = standing();
    const hangs = sensor.kind === 'linux' && now !== undefined && now.idleMs > HANGS_MS;
    const { room, refusal } = log.state;
    return [
      {
        name: 'events',
        ok: !hangs,
        ...(hangs && { reason: `the ring buffers were last looked into ${Math.round(now.idleMs / 1000)} s ago` }),
      },
      {
        name: 'audit log',
        ok: room !== 'none',
        ...(room === 'none' && { reason: refusal ?? 'the disk is full, and the reserve is used up' }),
      },
    ];
  };
  const readiness = (): readonly Check[] => {
    const { room, refusal } = log.state;
    const attached = standing() !== undefined;
    const reason = refusal ?? (room === 'enough' ? undefined : 'the disk is full: low priorities are shed');
    return [
      { name: 'attached', ok: attached, ...(!attached && { reason: 'programs are not attached yet' }) },
      { name: 'disk', ok: reason === undefined, ...(reason !== undefined && { reason }) },
      sealCheck(sealer),
      ...(publisher === undefined ? [] : [natsCheck(publisher)]),
    ];
  };
  const metrics = createMetrics({
    version: version(),
    host,
    sensor: sensor.kind,
    kernel: sensor.kernel.features.name,
    log,
    sealer,
    witness: () => announcer?.state,
    standing,
    publisher: () => publisher?.state,
  });
  return serveMetrics(address, { metrics, health, readiness });
};

const sealCheck = ({ state: { refusal, trouble } }: Sealer): Check => {
  const reason = refusal ?? trouble;
  return { name: 'seal', ok: reason === undefined, ...(reason !== undefined && { reason }) };
};

const natsCheck = ({ state: { connected, lastError } }: Publisher): Check => ({
  name: 'nats',
  ok: connected,
  ...(!connected && { reason: `${lastError ?? 'not connected yet'}; alerts wait in the audit log` }),
});
