import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect, headers } from 'nats';
import { expect, it } from 'vitest';
import { alertSubject } from '../../alerts/index.ts';
import { anAlert } from '../support/alert.ts';
import { at } from '../support/cli.ts';
import { inLargerSizes } from '../support/counts.ts';
import { temporaryFolder } from '../support/folder.ts';
import { natsServer } from '../support/nats.ts';

const CONFIG = {
  compilerOptions: {
    target: 'es2023',
    module: 'nodenext',
    strict: true,
    exactOptionalPropertyTypes: true,
    skipLibCheck: true,
    types: ['node'],
  },
  files: ['subscriber.ts'],
};

/** A project that has the packed package and what it depends on, and the example in it, compiled. */
const projectWithPackage = (): string => {
  const folder = temporaryFolder();
  const packed = execFileSync('npm', ['pack', '--ignore-scripts', '--json', '--pack-destination', folder], {
    cwd: at('.'),
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const [{ filename }] = JSON.parse(packed) as [{ filename: string }];
  const modules = join(folder, 'node_modules');
  mkdirSync(join(modules, '@types'), { recursive: true });
  execFileSync('tar', ['-xzf', join(folder, filename), '-C', modules]);
  execFileSync('mv', [join(modules, 'package'), join(modules, 'shrike')]);
  const { dependencies } = JSON.parse(readFileSync(join(modules, 'shrike/package.json'), 'utf8')) as {
    dependencies: Record<string, string>;
  };
  for (const name of [...Object.keys(dependencies), '@types/node']) {
    mkdirSync(join(modules, name, '..'), { recursive: true });
    symlinkSync(at(`node_modules/${name}`), join(modules, name));
  }
  cpSync(at('examples/subscriber.ts'), join(folder, 'subscriber.ts'));
  writeFileSync(join(folder, 'package.json'), '{"type": "module"}');
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(CONFIG));
  execFileSync(process.execPath, [at('node_modules/typescript/bin/tsc'), '-p', folder]);
  return folder;
};

it('the example compiles and runs against the packed package, and goes on where it stopped', {
  timeout: 300_000,
}, async (context) => {
  inLargerSizes(context);
  const { url } = await natsServer(context);
  const folder = projectWithPackage();
  const connection = await connect({ servers: url });
  const manager = await connection.jetstreamManager();
  await manager.streams.add({ name: 'SHRIKE_ALERTS', subjects: ['shrike.alerts.>'] });
  const send = async (seq: number, previous: number, more: Parameters<typeof anAlert>[1] = {}) => {
    const alert = anAlert(seq, more);
    const found = headers();
    found.set('Nats-Msg-Id', `${alert.id}-aaaaaaaa`);
    found.set('Shrike-Previous', String(previous));
    const subject = alertSubject(alert.host, alert.priority, alert.rule);
    await connection.jetstream().publish(subject, JSON.stringify(alert), { headers: found });
  };
  const run = () =>
    execFileSync(process.execPath, ['subscriber.js'], {
      cwd: folder,
      encoding: 'utf8',
      env: { ...process.env, NATS_URL: url, FOLLOW: 'no' },
    });
  await send(1, 0);
  await send(2, 1, { priority: 'notice' });
  await send(3, 2, { output: 'again' });
  expect(run()).toBe(
    '2023-11-14T22:13:20.000000001Z web-1 Password file read by /usr/bin/cat: cat read /etc/shadow\n' +
      '2023-11-14T22:13:20.000000003Z web-1 Password file read by /usr/bin/cat: again\n',
  );
  await send(4, 3, { output: 'later' });
  expect(run()).toBe('2023-11-14T22:13:20.000000004Z web-1 Password file read by /usr/bin/cat: later\n');
  expect(run()).toBe('');
  await connection.close();
});
