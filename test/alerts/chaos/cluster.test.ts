import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { connect } from 'nats';
import { expect, it, type TestContext } from 'vitest';
import { count, inLargerSizes } from '../../support/counts.ts';
import { temporaryFolder } from '../../support/folder.ts';
import { startAgent } from './agent-process.ts';
import { type Broker, startBroker } from './broker.ts';
import { alertsInLog, alertsInStream, compare, NO_DIFFERENCE } from './compare.ts';

const PATIENCE = 1_800_000;
const KILLS = Math.max(1, Math.floor(count(50) / 10));
const PER_SECOND = 300;
const NAMES = ['one', 'two', 'three'];
const HOSTS = ['web-1', 'web-2'];

const freePorts = async (number: number): Promise<readonly number[]> => {
  const servers = Array.from({ length: number }, () => createServer().listen(0, '127.0.0.1'));
  const ports: number[] = [];
  for (const server of servers) {
    if (!server.listening) await new Promise((resolve) => server.once('listening', resolve));
    const address = server.address();
    if (address !== null && typeof address === 'object') ports.push(address.port);
  }
  for (const server of servers) await new Promise((resolve) => server.close(resolve));
  return ports;
};

const startCluster = async (context: TestContext): Promise<ReadonlyMap<string, Broker>> => {
  const ports = await freePorts(NAMES.length);
  const routes = ports.map((port) => `nats://127.0.0.1:${port}`);
  const brokers = await Promise.all(
    NAMES.map((name, index) =>
      startBroker(context, [
        '-n',
        name,
        '--cluster_name',
        'c',
        '--cluster',
        routes[index]!,
        '--routes',
        routes.join(','),
      ]),
    ),
  );
  return new Map(NAMES.map((name, index) => [name, brokers[index]!]));
};

/** The name of the stream's leader once there is one and, where wanted, all replicas have what it has. */
const leaderOf = async (servers: string, level: boolean): Promise<string> => {
  for (;;) {
    const connection = await connect({ servers: servers.split(','), timeout: 5_000 }).catch(() => undefined);
    try {
      const manager = await connection?.jetstreamManager({ checkAPI: false, timeout: 5_000 });
      const cluster = (await manager?.streams.info('SHRIKE_ALERTS'))?.cluster;
      const replicas = cluster?.replicas ?? [];
      const isLevel = replicas.length === 2 && replicas.every(({ current, lag }) => current && (lag ?? 0) < 100);
      if (cluster?.leader && (isLevel || !level)) return cluster.leader;
    } catch {
      // There is no leader yet: asked again.
    } finally {
      await connection?.close();
    }
    await delay(200);
  }
};

it(
  'leaders of a stream on three servers are killed: the stream holds what the logs committed',
  async (context) => {
    inLargerSizes(context);
    const brokers = await startCluster(context);
    const servers = [...brokers.values()].map(({ url }) => url).join(',');
    const agents = HOSTS.map((host) => {
      const folder = join(temporaryFolder(), 'log');
      return { folder, host, process: startAgent({ folder, host, servers, perSecond: PER_SECOND }) };
    });
    const started = Date.now();
    const killed: string[] = [];
    for (let kill = 0; kill < KILLS; kill++) {
      const leader = await leaderOf(servers, true);
      await delay(1_000);
      killed.push(leader);
      await brokers.get(leader)!.kill();
    }
    await leaderOf(servers, true);
    const ended = await Promise.all(agents.map(({ process }) => process.end()));
    const held = await alertsInStream(servers);
    const logs = agents.map(({ folder }) => alertsInLog(folder));
    const seconds = (Date.now() - started) / 1000;
    console.log(`${logs.map((log) => log.length)} alerts, ${seconds} s, killed ${killed}: ${JSON.stringify(ended)}`);
    const differences = agents.map(({ host }, index) => compare(logs[index]!, held.get(host) ?? []));
    expect(differences).toEqual(HOSTS.map(() => NO_DIFFERENCE));
    expect(logs.every((log) => log.length > 0)).toBe(true);
  },
  PATIENCE,
);
