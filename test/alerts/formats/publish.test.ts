import { connect } from 'nats';
import { expect, it, onTestFinished } from 'vitest';
import { type AuditLog, createPublisher, openAuditLog, parseOutput } from '../../../alerts/index.ts';
import { anAlert } from '../../support/alert.ts';
import { temporaryFolder } from '../../support/folder.ts';
import { natsServer } from '../../support/nats.ts';
import { until } from '../../support/until.ts';

const openLog = async (host: string, folder: string): Promise<AuditLog> => {
  const log = await openAuditLog({ folder, host });
  onTestFinished(() => log.close());
  return log;
};

const raise = (log: AuditLog, most: number): void => {
  for (let index = 0; index < most; index++) log.append('alert', (seq) => anAlert(seq, { host: log.host }));
};

it("keeps Falco's alerts of two hosts apart, shows them under one subject, and goes on where each stopped", async (context) => {
  const { url } = await natsServer(context);
  const output = parseOutput('falco');
  const listener = await connect({ servers: url });
  onTestFinished(() => listener.close());
  const heard: string[] = [];
  listener.subscribe('falco.critical.password_file_read', {
    callback: (_error, message) =>
      heard.push(
        JSON.parse(message.string()).output_fields['evt.time']
          ? (message.headers?.get('Nats-Msg-Id').replace(/-\w+$/, '') ?? '')
          : '',
      ),
  });
  await listener.flush();
  const folders = { 'web-1': temporaryFolder(), 'db-1': temporaryFolder() };
  for (let round = 1; round <= 2; round++) {
    await Promise.all(
      Object.entries(folders).map(async ([host, folder]) => {
        const log = await openAuditLog({ folder, host });
        const publisher = createPublisher({ servers: url, host, log, output });
        raise(log, 5);
        expect(await publisher.flush(20_000)).toBe(true);
        await publisher.close();
        await log.close();
      }),
    );
  }
  await until(() => heard.length >= 20);
  const manager = await listener.jetstreamManager();
  for (const host of Object.keys(folders)) {
    const { state } = await manager.streams.info(output.stream(host).name);
    expect(state.messages).toBe(10);
    const wanted = Array.from({ length: 10 }, (_, index) => `${host}-${index + 1}`);
    expect(heard.filter((id) => id.startsWith(host))).toEqual(wanted);
  }
});

it('publishes two formats of one log, each whole', async (context) => {
  const { url } = await natsServer(context);
  const log = await openLog('web-1', temporaryFolder());
  const outputs = ['native', 'ecs', 'falco=security.<rule>'].map(parseOutput);
  const publishers = outputs.map((output) => createPublisher({ servers: url, host: 'web-1', log, output }));
  onTestFinished(async () => void (await Promise.all(publishers.map((each) => each.close()))));
  raise(log, 8);
  expect(await Promise.all(publishers.map((each) => each.flush(20_000)))).toEqual([true, true, true]);
  const connection = await connect({ servers: url });
  onTestFinished(() => connection.close());
  const manager = await connection.jetstreamManager();
  const names = outputs.map((output) => output.stream('web-1').name);
  expect(names).toEqual(['SHRIKE_ALERTS', 'SHRIKE_ECS', 'SHRIKE_FALCO_WEB_1']);
  for (const name of names) expect((await manager.streams.info(name)).state.messages).toBe(8);
  const last = await manager.streams.getMessage('SHRIKE_ECS', { last_by_subj: 'shrike.ecs.web_1.>' });
  expect(last.json()).toMatchObject({ event: { id: 'web-1-8' } });
});

it("publishes under falcosidekick's subject also where there is no JetStream", async (context) => {
  const { url } = await natsServer(context, { jetstream: false });
  const listener = await connect({ servers: url });
  onTestFinished(() => listener.close());
  const heard: string[] = [];
  listener.subscribe('falco.>', { callback: (_error, { subject }) => heard.push(subject) });
  await listener.flush();
  const log = await openLog('web-1', temporaryFolder());
  const publisher = createPublisher({ servers: url, host: 'web-1', log, output: parseOutput('falco') });
  onTestFinished(() => publisher.close());
  raise(log, 1);
  await until(() => heard.length === 1);
  expect(heard).toEqual(['falco.critical.password_file_read']);
});
